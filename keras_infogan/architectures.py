"""Networks written the way the paper's tables write them, and what follows from such a line before
any network is built.

A stack of layers is one string, for example Table 1's shared trunk and generator:

    conv 64/2, conv 128/2 bn, dense 1024 bn
    dense 1024 bn, dense 7x7x128 bn, conv 64/2 bn, conv 1/2

`conv F/S` is a 4x4 convolution with F filters and stride S (1 when left out); in a generator it is
transposed. `dense N` is fully connected; `dense HxWxC` also reshapes to an image (generators only).
`bn` adds batch normalization. Nothing here imports TensorFlow.
"""

import dataclasses
import re

from keras_infogan.config import UserError

KERNEL_SIZE = 4
_LARGEST_SIZE = 2**20  # of filters, units, strides


@dataclasses.dataclass(frozen=True)
class Conv:
    filters: int
    stride: int
    batch_norm: bool


@dataclasses.dataclass(frozen=True)
class Dense:
    shape: tuple[int, ...]  # (units,) or (height, width, channels)
    batch_norm: bool


def parse_layers(text):
    """Parses a stack of layers (see the module's docstring; empty text is no layer).

    Raises:
      UserError: names the part that could not be read.
    """
    return tuple(_parse_layer(part.strip()) for part in text.split(",") if part.strip())


def _parse_layer(text):
    sizes = re.findall(r"[0-9]+", text)
    if all(len(size) <= 7 and 1 <= int(size) <= _LARGEST_SIZE for size in sizes):
        if match := re.fullmatch(r"conv ([0-9]+)(?:/([0-9]+))?( bn)?", text):
            return Conv(int(match[1]), int(match[2] or 1), bool(match[3]))
        if match := re.fullmatch(r"dense ([0-9]+|[0-9]+x[0-9]+x[0-9]+)( bn)?", text):
            return Dense(tuple(map(int, sizes)), bool(match[2]))
    raise UserError(
        "expected a layer such as 'conv 64/2 bn', 'dense 1024 bn' or 'dense 7x7x128 bn', "
        f"with sizes from 1 to {_LARGEST_SIZE:,}, received {text[:200]!r}."
    )


def parse_numbers(setting, text):
    """Returns the numbers of filters in a setting's text, a tuple of ints; raises UserError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch("[0-9]{1,7}", part) and int(part) > 0 for part in parts):
        raise UserError(
            f"--{setting}: expected numbers of filters such as '32, 48', received {text[:200]!r}."
        )
    return tuple(map(int, parts))


def check_encoder(setting, text, flat_input=False):
    """Raises UserError unless these layers can follow one another from an image, or from flat
    features, downwards.
    """
    flat = flat_input
    for layer in parse_layers(text):
        if isinstance(layer, Conv) and flat:
            raise UserError(
                f"--{setting}={text!r}: a convolution needs an image, but what comes before it is "
                "flat; use dense layers there."
            )
        if isinstance(layer, Dense):
            flat = True
            if len(layer.shape) > 1:
                raise UserError(
                    f"--{setting}={text!r}: 'dense HxWxC' makes an image, which only a generator "
                    "does; write 'dense N'."
                )


def generated_shape(layers, setting="generator_layers"):
    """Returns the (height, width, channels) of the images that a generator of these layers, those
    of `setting`, makes.
    """
    shape = None
    for layer in layers:
        if isinstance(layer, Dense):
            shape = layer.shape
        elif shape is None or len(shape) != 3:
            raise UserError(
                "expected a 'dense HxWxC' layer before the first convolution of the generator; "
                f"add one to --{setting}."
            )
        else:
            shape = (shape[0] * layer.stride, shape[1] * layer.stride, layer.filters)
    if shape is None or len(shape) != 3:
        raise UserError(
            "expected the generator's layers to end in an image (height, width, channels); add "
            f"convolutions to --{setting}."
        )
    return shape


def check_generator(text, image_shape, setting="generator_layers"):
    """Raises UserError unless a generator of these layers makes images of `image_shape`."""
    shape = generated_shape(parse_layers(text), setting)
    if shape != tuple(image_shape):
        made, wanted = ("x".join(str(size) for size in sizes) for sizes in (shape, image_shape))
        raise UserError(
            f"the generator's layers make {made} images but the data has {wanted}; choose another "
            f"--image_size, --preset=general, or other --{setting}."
        )


def completed(encoder, decoder, image_shape, setting="generator_layers", **widths):
    """Returns two stacks of layers with what is empty made for the image size by `general_layers`,
    with batch norm; it takes `widths`.

    Raises:
      UserError: if the layers of the decoder, those of `setting`, do not make such images.
    """
    if not encoder or not decoder:
        general_encoder, general_decoder = general_layers(image_shape, **widths)
        encoder, decoder = encoder or general_encoder, decoder or general_decoder
    check_generator(decoder, image_shape, setting)
    return encoder, decoder


def general_layers(image_shape, first_filters=64, most_filters=512):
    """Returns (trunk, generator) layers for square images of any supported size, in the style of
    Table 3: halve the size until 4 to 7 pixels remain.

    The first convolution has `first_filters`, and each has twice as many as the one before, up
    to `most_filters`.

    Raises:
      UserError: if the size is not 4, 5, 6 or 7 times a power of two.
    """
    height, width, channels = image_shape
    halvings, size = 0, height
    while size > 7 and size % 2 == 0:
        halvings, size = halvings + 1, size // 2
    if height != width or not 4 <= size <= 7 or not halvings:
        raise UserError(
            "the general preset makes square images of 8, 16, 28, 32, 48, 64, 96, 128, ... "
            f"pixels, not {height}x{width}; give another --image_size."
        )
    filters = [min(first_filters * 2**index, most_filters) for index in range(halvings)]
    trunk = [f"conv {count}/2" + (" bn" if index else "") for index, count in enumerate(filters)]
    generator = [f"dense {size}x{size}x{filters[-1]} bn"]
    generator += [f"conv {count}/2 bn" for count in reversed(filters[:-1])]
    return ", ".join(trunk), ", ".join([*generator, f"conv {channels}/2"])
