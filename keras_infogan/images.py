"""Pictures of generated images: grids, labelled traversals, animations.

Arrays in, Pillow images out.

Images are float (count, height, width, channels) in [-1, 1].
"""

import base64
import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_CELL_SIZE = 48  # pixels; smaller images are enlarged by a whole factor to at least this
_GAP = 2
_HEADER = 22
_BACKGROUND, _INK, _MARK = (255, 255, 255), (40, 40, 40), (31, 119, 180)


def to_uint8(images):
    """Returns images in [-1, 1] as uint8 RGB (..., height, width, 3)."""
    scaled = np.clip(np.round((np.asarray(images, np.float32) + 1) * 127.5), 0, 255).astype(
        np.uint8
    )
    return np.repeat(scaled, 3, axis=-1) if scaled.shape[-1] == 1 else scaled


def grid(images, num_columns):
    """Returns one Pillow image with `images` (count, height, width, channels) in rows
    of `num_columns`.
    """
    tiles = to_uint8(images)
    factor = -(-_CELL_SIZE // tiles.shape[1])
    tiles = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    height, width = tiles.shape[1] + _GAP, tiles.shape[2] + _GAP
    num_rows = -(-len(tiles) // num_columns)
    canvas = np.full((num_rows * height - _GAP, num_columns * width - _GAP, 3), 255, np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // num_columns * height, index % num_columns * width
        canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return Image.fromarray(canvas)


def png(picture, **options):
    """Returns a Pillow image as the bytes of a PNG file."""
    data = io.BytesIO()
    picture.save(data, "PNG", **options)
    return data.getvalue()


def data_url(picture):
    """Returns a Pillow image as an address that holds it, a text, for a page of one file."""
    return f"data:image/png;base64,{base64.b64encode(png(picture, optimize=True)).decode()}"


def pairs(images, reconstructions, num_columns=10):
    """Returns one Pillow image with each of `images` beside its reconstruction, both
    (count, height, width, channels), `num_columns` pairs to a row at most.
    """
    columns = min(num_columns, len(images))
    return grid(
        np.stack([images, reconstructions], axis=1).reshape(-1, *images.shape[1:]), 2 * columns
    )


def surprise(images, nats, num_columns=10):
    """Returns one Pillow image with each of `images` beside its `nats`, float
    (count, height, width): black where a pixel is certain, white where it surprises most.
    """
    shares = np.clip(nats / max(np.quantile(nats, 0.999), 1e-6), 0, 1)
    maps = np.repeat(2 * shares[..., None] - 1, images.shape[-1], axis=-1)
    return pairs(images, maps, num_columns)


def completions(images, known, completed):
    """Returns one Pillow image with a row for each of `images` (count, height, width, channels):
    it, what is known of it, gray the rest, and each of its completions.

    Args:
      images: as they are.
      known: (count, height, width, 1), 1 or 0.
      completed: (count, completions, height, width, channels).
    """
    rows = np.concatenate([images[:, None], (images * known)[:, None], completed], axis=1)
    return grid(rows.reshape(-1, *images.shape[1:]), rows.shape[1])


def interpolation(generate, spec, num_rows, seed, num_columns=9):
    """Returns one Pillow image in which each row goes in equal steps from one draw of all latents
    to another (arXiv 1511.06434, Figure 4).
    """
    first, last = np.split(spec.sample(2 * num_rows, seed), 2)
    shares = np.linspace(0, 1, num_columns, dtype=np.float32)[None, :, None]
    latents = first[:, None] * (1 - shares) + last[:, None] * shares
    return grid(generate(latents.reshape(-1, spec.size)), num_columns)


def traversal(images, name, texts, trained):
    """Returns a traversal as one Pillow image: a column per value, its text above it, and a line
    over the columns in the trained range.

    Args:
      images: (rows, columns, height, width, channels).
      name: of the code, drawn in the header.
      texts: one per column.
      trained: bool per column: whether the value lies in the range the code was trained on.
    """
    num_columns = images.shape[1]
    picture = grid(images.reshape(-1, *images.shape[2:]), num_columns)
    canvas = Image.new("RGB", (picture.width, picture.height + 2 * _HEADER), _BACKGROUND)
    canvas.paste(picture, (0, 2 * _HEADER))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(14)
    pitch = (picture.width + _GAP) / num_columns
    partly = not all(trained)
    draw.text((2, 2), f"{name} (line: trained range)" if partly else name, fill=_INK, font=font)
    for index, text in enumerate(texts):
        draw.text(
            ((index + 0.5) * pitch - _GAP / 2, _HEADER + 8), text, fill=_INK, font=font, anchor="mm"
        )
    if partly:
        columns = np.flatnonzero(trained)
        draw.rectangle(
            (
                columns[0] * pitch,
                2 * _HEADER - 5,
                (columns[-1] + 1) * pitch - _GAP - 1,
                2 * _HEADER - 3,
            ),
            fill=_MARK,
        )
    return canvas


def traversal_pictures(generate, spec, num_rows, seed, num_columns=9, most_columns=None):
    """Yields (code name, picture) for each code of the LatentSpec `spec`: `num_rows` starting
    points drawn with `seed`, the code moving along columns.

    Of a code with more categories than `most_columns` only every so manieth is shown.
    """
    rows = spec.rows(num_rows, seed)
    for code in spec.codes:
        latents, texts, trained = spec.traverse(code, rows, num_columns)
        step = -(-len(texts) // (most_columns or len(texts)))
        latents, texts, trained = latents[:, ::step], texts[::step], trained[::step]
        images = generate(latents.reshape(-1, spec.size))
        yield (
            code.name,
            traversal(
                images.reshape(*latents.shape[:2], *images.shape[1:]), code.name, texts, trained
            ),
        )


def traversal_animation(generate, spec, num_rows, seed, num_frames=25):
    """Returns the frames of an animation, Pillow images: a column of starting points per code, each
    code moving through its values and back.
    """
    rows = spec.rows(num_rows, seed)
    columns = []
    for code in spec.codes:
        latents, *_ = spec.traverse(code, rows, num_frames)
        images = generate(latents.reshape(-1, spec.size))
        columns.append(images.reshape(*latents.shape[:2], *images.shape[1:]))
    frames = []
    for frame in [*range(num_frames), *reversed(range(1, num_frames - 1))]:
        # A categorical code has fewer values than the animation has frames: each is held for
        # its share of them.
        tiles = np.stack(
            [images[:, frame * images.shape[1] // num_frames] for images in columns], axis=1
        )
        picture = grid(tiles.reshape(-1, *tiles.shape[2:]), len(columns))
        canvas = Image.new("RGB", (picture.width, picture.height + _HEADER), _BACKGROUND)
        canvas.paste(picture, (0, _HEADER))
        draw, pitch = ImageDraw.Draw(canvas), (picture.width + _GAP) / len(columns)
        for index, code in enumerate(spec.codes):
            draw.text(
                ((index + 0.5) * pitch, _HEADER / 2),
                code.name[:8],
                fill=_INK,
                font=ImageFont.load_default(11),
                anchor="mm",
            )
        frames.append(canvas)
    return frames
