"""Settings and presets of the models, a file each, named as the model's in `models`.

They load without TensorFlow: flags are checked before it does.
"""
