"""The models, by name. Another model is a line here, a file of settings and a file of the algorithm.

`MODELS` maps a name to the module that offers `Config` and `PRESETS` and can be read without TensorFlow; `build` loads the algorithm itself.
"""

import importlib

from keras_infogan.models import infogan_settings

MODELS = {"infogan": infogan_settings}


def build(name, config, image_shape, precision=None):
    """Builds model `name` from its settings, for images of (height, width, channels); call it inside the strategy's scope. Loads TensorFlow.

    `precision` is that of the networks, if another than the one in the settings, with which the run was trained.
    """
    return importlib.import_module(f"keras_infogan.models.{name}").build(config, image_shape, precision)
