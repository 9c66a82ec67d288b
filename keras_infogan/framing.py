"""How a picture of any size and kind becomes an image of a run: the same way wherever it comes
from, a prepared data set, a folder, a page or another program. An export's contract says it
(`images`), and the explorer does the same in the browser (export/web/framing.js).
"""

import dataclasses

import numpy as np
from absl import flags
from PIL import Image

from keras_infogan.config import UserError
from keras_infogan.untrusted import has_form

# By the orientation that EXIF states (CIPA DC-008, Orientation): what turns the picture upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)
# Tags of EXIF and TIFF.
_ORIENTATION, _PHOTOMETRIC, _SAMPLE_FORMAT = 0x0112, 262, 339
# What is shown as white where pixels have more than 8 bits and nobody said otherwise.
_WHITE = {"I": 65535, "F": 1}
# JPEG may be decoded at a half, a quarter or an eighth of its size: never at less than this many
# times the wanted one, where hardly a pixel differs (docs/data.md).
_DRAFT = 4


@dataclasses.dataclass(frozen=True)
class Framing:
    """
    Attributes:
      middle: share of the shorter side that the middle square keeps, in (0, 1].
      pad: whether the whole picture is kept, between white bars, instead of its middle.
      white: the value that is shown as white in pixels of more than 8 bits; None: 65,535 for whole
        numbers, 1 for others. Pixels of 8 bits say so themselves.
    """

    middle: float = 1.0
    pad: bool = False
    white: float | None = None

    @classmethod
    def from_json(cls, content):
        """Returns what `dataclasses.asdict` made of a Framing.

        Raises:
          ValueError: if it is damaged.
        """
        form = {"middle": float, "pad": bool, "white": (float, None)}
        if not has_form(content, form) or not (
            0 < content["middle"] <= 1 and 0 < (content["white"] or 1) < float("inf")
        ):
            raise ValueError(f"framing is {content!r:.100}")
        return cls(**{name: content[name] for name in form})


CROPPED = Framing()
# Faces fill the middle of CelebA's aligned images, 178 pixels wide: the usual crop of 148. It is
# also what runs and exports of before 0.2.0, which do not say it, were made with.
CELEB_A = Framing(middle=148 / 178)


def of_dataset(name):
    """Returns the Framing of a data set's pictures where nobody asks for another."""
    return CELEB_A if name == "celeb_a" else CROPPED


def define_limit():
    """Defines the flag for the largest picture that is opened, for `apply_limit`."""
    flags.DEFINE_integer(
        "max_image_pixels",
        None,
        f"pixels of the largest picture that is opened; default: {Image.MAX_IMAGE_PIXELS:,}.",
        lower_bound=1,
    )


def apply_limit():
    """Makes the flag Pillow's own limit, by which all go."""
    if flags.FLAGS.max_image_pixels is not None:
        Image.MAX_IMAGE_PIXELS = flags.FLAGS.max_image_pixels


def is_deep(mode):
    """Whether Pillow's mode is one of grey pixels with more than 8 bits."""
    return mode.startswith("I") or mode == "F"


def is_gray(image):
    """Whether a picture is grey by its header, or by the colors of its palette that it uses."""
    if image.mode in ("P", "PA"):
        colors = image.convert("RGB").getcolors(256) or ()
        return all(red == green == blue for _, (red, green, blue) in colors)
    return image.mode in ("1", "L", "LA", "La") or is_deep(image.mode)


def deep_values(image):
    """Returns the pixels of a grey picture with more than 8 bits, float32 (height, width), and
    which of them are transparent, bool or None.

    Raises:
      UserError: if a pixel is no number, or below 0.
    """
    pixels = np.asarray(image)
    values = pixels.astype(np.float32)
    lowest, highest = values.min(initial=0), values.max(initial=0)
    if not lowest >= 0 or not highest < np.inf:  # not-a-number is neither
        raise UserError(
            f"its pixels go from {lowest:g} to {highest:g}, expected numbers of at least 0"
        )
    key = image.info.get("transparency")
    return values, None if key is None else pixels == key


def prepare(image, shape, framing):
    """Returns a picture as uint8 (height, width, channels): upright as EXIF says, on white, its
    middle square (or all of it, padded), resized by Lanczos' filter.

    Args:
      image: PIL.Image.Image, not decoded yet where that can be helped.
      shape: (height, width, channels).
      framing: Framing.

    Raises:
      UserError: if its pixels cannot be shown.
      Whatever Pillow raises for damaged files.
    """
    height, width, channels = shape
    sixteen_bits = has_more_bits(image)
    _check_kind(image)
    needed = int(np.ceil(_DRAFT * max(height, width) / framing.middle))
    # What is drafted may end within its last pixels: the box is the picture, to the fraction.
    drafted = image.draft(None, (needed, needed))
    image.load()
    box = drafted[1] if drafted else (0, 0, *image.size)
    # Only now: of a TIFF, Pillow itself turns what it loads.
    turn = _TURNS.get(_orientation(image) or 0)
    if is_deep(image.mode):
        image = _brightness(image, framing.white)
    elif image.has_transparency_data:
        image = _on_white(image, sixteen_bits)
    if image.mode != "F":
        image = image.convert("L" if channels == 1 else "RGB")
    sideways = turn in _SIDEWAYS
    size = (height, width) if sideways else (width, height)
    image = image.resize(*_whole(box, size) if framing.pad else _middle(box, size, framing.middle))
    if turn is not None:
        image = image.transpose(turn)
    if framing.pad:
        image = _between_bars(image, (width, height))
    pixels = np.asarray(image)
    if image.mode == "F":
        pixels = np.clip(np.round(pixels), 0, 255).astype(np.uint8)
    pixels = pixels.reshape(height, width, -1)
    return np.repeat(pixels, channels, axis=-1) if pixels.shape[-1] < channels else pixels


def _middle(box, size, share):
    """Returns the arguments with which Pillow resizes the middle of a picture, in the proportions
    of `size`, to it.
    """
    (*_, across, down), (width, height) = box, size
    scale = share * min(across / width, down / height)
    left, top = (across - scale * width) / 2, (down - scale * height) / 2
    middle = (left, top, left + scale * width, top + scale * height)
    return size, Image.Resampling.LANCZOS, middle


def _whole(box, size):
    """Returns the arguments with which Pillow resizes all of a picture to fit into `size`."""
    (*_, across, down), (width, height) = box, size
    scale = max(across / width, down / height)
    inner = max(round(across / scale), 1), max(round(down / scale), 1)
    return inner, Image.Resampling.LANCZOS, box


def _between_bars(image, size):
    white = {"L": 255, "F": 255.0, "RGB": (255, 255, 255)}[image.mode]
    whole = Image.new(image.mode, size, white)
    left, top = ((outer - inner) // 2 for outer, inner in zip(size, image.size, strict=True))
    whole.paste(image, (left, top))
    return whole


def has_more_bits(image):
    """Whether a picture that is not loaded yet has colors, or gray and transparency, of 16 bits
    each, of which Pillow keeps the upper 8.
    """
    return not is_deep(image.mode) and any(
        ";16" in str(tile.args) for tile in getattr(image, "tile", ())
    )


def _check_kind(image):
    """Raises UserError for TIFF files whose pixels Pillow takes for others than they are."""
    tags = getattr(image, "tag_v2", {})
    if is_deep(image.mode) and tags.get(_PHOTOMETRIC) == 0:
        raise UserError("0 is white in it, with more than 8 bits, which is not read; invert it")
    if not is_deep(image.mode) and 2 in np.atleast_1d(tags.get(_SAMPLE_FORMAT, 1)):
        raise UserError("its pixels are signed numbers of 8 bits, which are not read")


def _orientation(image):
    """Returns the orientation that a picture states; what else its metadata hold, however odd, is
    no concern of ours.
    """
    try:
        return image.getexif().get(_ORIENTATION)
    except Exception:  # whatever odd metadata make Pillow raise
        return None


def _brightness(image, white):
    """Returns a grey picture of more than 8 bits with 255 as white, mode F."""
    values, clear = deep_values(image)
    white = white or _WHITE[image.mode[0]]
    if values.max(initial=0) > white:
        raise UserError(
            f"its pixels go up to {values.max():g}, and {white:g} is shown as white (a new run "
            "takes another --white)"
        )
    values *= 255 / white
    if clear is not None:
        values[clear] = 255
    return Image.fromarray(values)


def _on_white(image, sixteen_bits):
    key = image.info.get("transparency")
    if sixteen_bits and isinstance(key, tuple):
        # Of each color Pillow keeps the upper 8 bits, and the transparent color as it stood.
        image.info["transparency"] = tuple(value >> 8 for value in key)
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
