"""InfoGAN and its neighbors on TensorFlow and Keras 3: images in, a generator with
meaningful inputs out.
"""

__version__ = "0.2.0"

import pathlib as _pathlib


def load(path):
    """Returns a trained model, a run's or an export's, with `generate`, `encode` and more by the
    names of its codes; see `keras_infogan.loaded`.
    """
    from keras_infogan import loaded

    return loaded.load(path)


# In a checkout, export/ lies beside this folder; installed, it lies within it.
_checkout = _pathlib.Path(__file__).parents[1]
if (_checkout / "pyproject.toml").exists():
    __path__.append(str(_checkout))
