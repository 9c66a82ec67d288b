"""InfoGAN on TensorFlow and Keras 3: images in, a generator with meaningful inputs out."""

__version__ = "0.1.0"
