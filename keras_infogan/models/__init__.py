"""The models, by name.

Another model is a line here, a file of settings (`settings/<name>.py`) and a file of the algorithm
(`models/<name>.py`).

`MODELS` maps a name to the class that `models/<name>.py` defines. `settings/<name>.py` defines
`<class>Settings`, and PRESETS: settings by the data set they are for, or another name to give as
--preset; "general" is for any other data. Only `build` loads TensorFlow.
"""

import importlib

from keras_infogan.config import UserError

MODELS = {
    "infogan": "InfoGAN",
    "dcgan": "DCGAN",
    "autoencoder": "Autoencoder",
    "vae": "VAE",
    "vae_gan": "VAEGAN",
    "bigan": "BiGAN",
    "egan": "EGAN",
    "triple_gan": "TripleGAN",
    "domain_adversarial": "DomainAdversarial",
    "pixelcnn": "PixelCNN",
    "pixelrnn": "PixelRNN",
    "sequence_autoencoder": "SequenceAutoencoder",
}


def settings_class(name):
    """Returns the class of a model's settings."""
    return getattr(_settings(name), f"{MODELS[name]}Settings")


def presets(name):
    """Returns a model's presets, a dict from name to settings."""
    return _settings(name).PRESETS


def preset_for(name, dataset):
    """Returns the name of the preset that a model is trained with on a data set, unless another
    one is asked for.
    """
    return dataset if dataset in presets(name) else "general"


def _settings(name):
    return importlib.import_module(f"keras_infogan.settings.{name}")


def build(name, settings, image_shape, precision=None):
    """Builds and compiles a model from its settings, for images of (height, width, channels); call
    it inside the strategy's scope. Loads TensorFlow.

    `precision` is that of the networks, if another than the one in the settings, with which the
    run was trained.

    Raises:
      UserError: if its weights do not fit in the memory.
    """
    import tensorflow as tf

    kind = getattr(importlib.import_module(f"keras_infogan.models.{name}"), MODELS[name])
    try:
        model = kind(settings, image_shape, precision)
        model.compile()
    except tf.errors.ResourceExhaustedError:
        raise UserError(
            f"the weights of this {settings.title} do not fit in the memory; give smaller layers, "
            "or less noise."
        ) from None
    return model
