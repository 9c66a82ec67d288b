"""InfoGAN and its neighbors on TensorFlow and Keras 3: images in, a generator with
meaningful inputs out.
"""

__version__ = "0.2.0"

import pathlib as _pathlib


def load(path, unit_layer=None):
    """Returns a trained model, a run's or an export's, with `generate`, `encode` and more by the
    names of its codes, and of a run open at a layer gains of its units; see
    `keras_infogan.loaded.load`.
    """
    from keras_infogan import loaded

    return loaded.load(path, unit_layer)


# In a checkout, export/ lies beside this folder; installed, it lies within it.
_checkout = _pathlib.Path(__file__).parents[1]
if (_checkout / "pyproject.toml").exists():
    __path__.append(str(_checkout))
