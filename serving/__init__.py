"""Serves exported generators, and asks servers for images. Installed as keras_infogan.serving."""
