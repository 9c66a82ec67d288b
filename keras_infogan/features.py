"""Feature spaces in which generated images are compared with real ones.

`learned` needs no download: a small network trained on the data set's own training split, once, and
kept in the cache of decoded images. It is a classifier where the data has labels, an autoencoder
where it has none. Distances in it say how two runs on the same data compare, and nothing beyond;
they are not FID. `inception` is Inception-v3 as keras.applications has it, with ImageNet weights,
which are downloaded. (Not the weights of the published FID, either.)
"""

import contextlib
import hashlib
import os
import pathlib
import sys

import numpy as np
from tqdm import tqdm

from keras_infogan import architectures, datasets
from keras_infogan.config import UserError
from keras_infogan.files import cache_directory

FEATURE_SPACES = ("learned", "inception")
NUM_FEATURES = 64
_STEPS, _BATCH_SIZE, _MOST_IMAGES = 1500, 128, 20_000
# Raised when the network or its training changes, so that the cache does not bring
# back the old one.
_VERSION = 1


def build(name, dataset, image_shape, data_dir=None, framing=None):
    """Returns a feature space.

    Args:
      name: one of FEATURE_SPACES.
      dataset: name of the data set.
      image_shape: (height, width, channels) of the images.
      data_dir: where the data set lies.
      framing: see datasets.load.

    Returns:
      (function from images float32 (count, height, width, channels) in [-1, 1] to features float32
      (count, size), text that says what it is).

    Raises:
      UserError: if the data set cannot be read, or weights cannot be downloaded.
    """
    return (
        _inception(image_shape)
        if name == "inception"
        else _learned(dataset, image_shape, data_dir, framing)
    )


def _inception(image_shape):
    import keras

    print(
        "Inception-v3 (ImageNet weights, about 84 MiB) is downloaded unless Keras has it already.",
        file=sys.stderr,
    )
    try:
        network = keras.applications.InceptionV3(
            include_top=False, pooling="avg", input_shape=(299, 299, 3)
        )
    except Exception as error:  # Keras raises a bare Exception for a failed download.
        raise UserError(
            f"the weights of Inception-v3 could not be downloaded ({str(error).splitlines()[0]}); "
            "use --features=learned, which needs none."
        ) from None

    def features(images):
        colored = np.repeat(images, 3, axis=-1) if image_shape[-1] == 1 else images
        return network.predict(
            keras.ops.image.resize(colored, (299, 299)), batch_size=32, verbose=0
        )

    return (
        features,
        (
            "Inception-v3 of keras.applications with ImageNet weights, last pooling layer, 2,048 "
            "features (not the weights of the published FID)"
        ),
    )


def _learned(dataset, image_shape, data_dir, framing):
    import keras

    image_set = datasets.load(dataset, "train", image_shape, data_dir, framing)
    chosen = np.sort(np.random.default_rng(0).permutation(len(image_set.images))[:_MOST_IMAGES])
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(0)
    try:
        encoder, model = _networks(
            image_shape, image_set.labels is not None, len(image_set.label_names)
        )
    finally:
        keras.config.set_dtype_policy(policy)
    images = np.ascontiguousarray(image_set.images[chosen])
    labels = None if image_set.labels is None else image_set.labels[chosen]
    path = _cache_path(images, labels)
    try:
        if not path.exists():
            kind = "autoencoder" if labels is None else "classifier"
            print(
                f"Training the feature space of {dataset}, once: a small {kind}, {_STEPS} steps.",
                file=sys.stderr,
            )
            _train(model, images, labels)
            _keep(encoder, path)
        encoder.load_weights(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"the feature space cannot be kept in {path} ({error}); remove that file, free space "
            "there, or set XDG_CACHE_HOME"
        ) from None
    about = (
        f"{NUM_FEATURES} features of a small convolutional network trained on {len(images):,} "
        f"training images of {dataset}"
    )
    if labels is None:
        return _batched(encoder), f"{about} as an autoencoder"
    return _batched(encoder), f"{about} as a classifier"


def _batched(encoder):
    return lambda images: encoder.predict(images, batch_size=256, verbose=0)


def _networks(image_shape, labelled, num_classes):
    """Returns the encoder, and the whole model that trains it."""
    import keras

    from keras_infogan import networks

    trunk, decoder = architectures.general_layers(image_shape, 32, NUM_FEATURES)
    encoder = networks.image_encoder("features", image_shape, f"{trunk}, dense {NUM_FEATURES}", 0.1)
    head = (
        networks.image_encoder("classes", (NUM_FEATURES,), "", 0.1, num_classes)
        if labelled
        else networks.image_decoder("images", NUM_FEATURES, decoder)
    )
    model = keras.Sequential([encoder, head])
    loss = (
        keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        if labelled
        else keras.losses.MeanSquaredError()
    )
    model.compile(keras.optimizers.Adam(1e-3), loss, jit_compile=False)
    return encoder, model


def _train(model, images, labels):
    generator = np.random.default_rng(0)
    size = min(_BATCH_SIZE, len(images))
    for _ in tqdm(range(_STEPS), desc="feature space", unit="step"):
        indices = generator.choice(len(images), size, replace=False)
        chosen = datasets.to_float(images[indices])
        model.train_on_batch(chosen, chosen if labels is None else labels[indices])


def _keep(encoder, path):
    """Writes the encoder's weights; where another process was faster its weights stay, so that all
    runs are compared in one space.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{os.getpid()}_{path.name}")
    try:
        encoder.save_weights(temporary)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _cache_path(images, labels):
    """Returns where the weights for exactly these images and labels are kept."""
    digest = hashlib.sha256(images.tobytes())
    digest.update(b"" if labels is None else labels.tobytes())
    return pathlib.Path(
        cache_directory(), "features", f"{digest.hexdigest()[:16]}_{_VERSION}.weights.h5"
    )
