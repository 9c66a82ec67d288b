"""Scores: one per file, numpy arrays in, numbers out. They know nothing of models or TensorFlow."""
