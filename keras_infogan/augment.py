"""What is done to images before a network sees them: noise that fades, and changes that leave an
image what it is.

Changes are written in one line, each with how far it goes at most, in either direction, drawn anew
for every image:

    rotate 20, shear 0.2, scale 0.15, shift 0.075, flip

`rotate` in degrees; `shear`; `scale` of each axis by itself; `aspect`, wider by this share and as
much lower; `shift` along each axis, as a share of the side; `flip` left to right, every second
image; `brightness`, added to the range [-1, 1]; `contrast` and `saturation`, factors; `warmth`,
added to red and taken from blue; `side_light`, added on the right and taken on the left; `cutout`
grays a square of this share of the side. Which changes leave an image what it is, is prior
knowledge: a digit that is turned by 20 degrees is the same digit, one that is mirrored is not.
"""

import math

from keras_infogan.config import UserError

# By name: the largest strength that makes sense. `flip` has none.
_LIMITS = {
    "rotate": 180,
    "shear": 2,
    "scale": 0.9,
    "shift": 1,
    "flip": None,
    "brightness": 2,
    "contrast": 1,
    "saturation": 1,
    "cutout": 1,
    "aspect": 0.9,
    "warmth": 2,
    "side_light": 2,
}
# Drawn apart, so that the draws of the first, with which figures were had, stay what they were.
_LATER = ("warmth", "side_light")
_GEOMETRIC = {"rotate", "shear", "scale", "aspect", "shift", "flip"}


def parse_changes(setting, text):
    """Returns the changes in a text, a dict from name to strength.

    Args:
      setting: whose value it is, for the error.
      text: see the module's docstring; empty: no change.

    Raises:
      UserError: names the part that could not be read.
    """
    changes = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, *strength = part.split()
        try:
            limit = _LIMITS[name]
            if name in changes:
                raise ValueError
            changes[name] = 1.0 if limit is None else float(strength.pop())
            understood = not strength and (limit is None or 0 <= changes[name] <= limit)
        except (KeyError, IndexError, ValueError):
            understood = False
        if not understood:
            known = ", ".join(
                name if limit is None else f"{name} 0..{limit}" for name, limit in _LIMITS.items()
            )
            raise UserError(
                f"--{setting}: cannot read {part!r}; expected changes such as 'rotate 20, shift "
                f"0.1', of {known}."
            )
    return changes


def changed(learner, images, changes, use):
    """Returns images, each changed by a draw of its own. Differentiable with respect to the images.

    Args:
      learner: Learner, whose draws they are.
      images: float32 (batch, height, width, channels) in [-1, 1].
      changes: what `parse_changes` returns.
      use: see Learner.draw.
    """
    return applied(images, changes, strengths(learner, images, changes, use))


def strengths(learner, images, changes, use):
    """Returns by how much each image is to be changed, a dict from every change to float32
    (batch, 2): along each axis, or in the first of both. Arguments: as of `changed`.
    """
    import tensorflow as tf

    first = [name for name in _LIMITS if name not in _LATER]

    def uniform(count, seed):
        # The same numbers for a change whatever the others are.
        later = tf.random.experimental.stateless_fold_in(seed, 1)  # pyright: ignore[reportAttributeAccessIssue]  # the stub lacks it
        numbers = [
            tf.random.stateless_uniform((count, len(names), 2), key, minval=-1.0, maxval=1.0)
            for names, key in ((first, seed), (_LATER, later))
        ]
        return tf.concat(numbers, axis=1)

    drawn = tf.unstack(learner.draw(uniform, images, use), axis=1)
    return {
        name: changes.get(name, 0.0) * numbers
        for name, numbers in zip((*first, *_LATER), drawn, strict=True)
    }


def applied(images, changes, strengths):
    """Returns images changed by what `strengths` returns."""
    import tensorflow as tf

    if _GEOMETRIC & changes.keys():
        images = _moved(images, strengths)
    if "side_light" in changes:
        places = tf.linspace(-1.0, 1.0, images.shape[2])
        images += strengths["side_light"][:, :1, None, None] * places[:, None]
    if "warmth" in changes and images.shape[3] == 3:
        images += strengths["warmth"][:, :1, None, None] * tf.constant([1.0, 0.0, -1.0])
    if "brightness" in changes:
        images += strengths["brightness"][:, 0, None, None, None]
    if "saturation" in changes:
        images = _about(
            tf.reduce_mean(images, axis=3, keepdims=True), images, strengths["saturation"]
        )
    if "contrast" in changes:
        images = _about(
            tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True), images, strengths["contrast"]
        )
    if "cutout" in changes:
        images *= _outside_square(
            images.shape[1:3], strengths["cutout"] / changes["cutout"], changes["cutout"]
        )
    return images


def guided(change, unit, answers, strengths):
    """Returns what a continuous code that knows a change is to answer to changed copies.

    In a mirror, what turns or leans, or is lit from a side, does so to the other; a code that
    learns `flip` itself is one that a mirror turns into its opposite.

    Args:
      change: a name in codes.GUIDES.
      unit: by how much of it an image changes when the code goes up by 1.
      answers: the code's answers to the images, float32 (batch,).
      strengths: what `strengths` returned, by which the copies were changed.
    """
    import tensorflow as tf

    mirrored = tf.where(strengths["flip"][:, 0] > 0, -1.0, 1.0)
    if change == "flip":
        return mirrored * answers
    moved = strengths[change][:, 0] / unit
    if change == "side_light":  # which is changed after the mirror
        return mirrored * answers + moved
    return (answers + moved) * (mirrored if change in ("rotate", "shear") else 1.0)


def _moved(images, strengths):
    """Returns images under affine maps about their centers; outside they go on as in a mirror."""
    import tensorflow as tf

    height, width = images.shape[1:3]
    angle = math.pi / 180 * strengths["rotate"][:, 0]
    scale, aspect = 1 + strengths["scale"], 1 + strengths["aspect"][:, 0]
    x_scale = scale[:, 0] / aspect * tf.where(strengths["flip"][:, 0] > 0, -1.0, 1.0)
    y_scale = scale[:, 1] * aspect
    x_shear, sine, cosine = strengths["shear"][:, 0], tf.sin(angle), tf.cos(angle)
    # From a place in the result to the place in the image: turned, sheared, scaled.
    matrix = [
        [cosine * x_scale, (cosine * x_shear - sine) * y_scale],
        [sine * x_scale, (sine * x_shear + cosine) * y_scale],
    ]
    x_center, y_center = (width - 1) / 2, (height - 1) / 2
    x = tf.range(width, dtype=tf.float32)[None, None, :] - x_center
    y = tf.range(height, dtype=tf.float32)[None, :, None] - y_center
    x, y = (
        center
        + size * strengths["shift"][:, axis, None, None]
        + row[0][:, None, None] * x
        + row[1][:, None, None] * y
        for axis, (row, center, size) in enumerate(
            zip(matrix, (x_center, y_center), (width, height), strict=True)
        )
    )
    return _sampled(images, y, x)


def _sampled(images, *places):
    """Returns what images hold at places between their pixels, bilinear, in a mirror outside.

    Not Keras's affine_transform, whose gradient with respect to the images is that of the inverse
    map: only for turns and shifts by whole pixels that is the gradient.

    Args:
      images: float32 (batch, height, width, channels).
      *places: rows and columns, float32 (batch, height, width).
    """
    import tensorflow as tf

    sides = []
    for place, size in zip(places, images.shape[1:3], strict=True):
        folded = tf.math.floormod(place + 0.5, 2.0 * size)
        folded = tf.minimum(folded, 2.0 * size - folded) - 0.5
        lower = tf.floor(folded)
        weight = (folded - lower)[..., None]
        index = tf.cast(lower, tf.int32)
        sides.append(
            (
                (tf.clip_by_value(index, 0, size - 1), 1 - weight),
                (tf.clip_by_value(index + 1, 0, size - 1), weight),
            )
        )
    return tf.add_n(
        [
            tf.gather_nd(images, tf.stack([row, column], axis=-1), batch_dims=1) * (share * other)
            for row, share in sides[0]
            for column, other in sides[1]
        ]
    )


def _about(center, images, strength):
    return center + (images - center) * (1 + strength[:, 0, None, None, None])


def _outside_square(shape, drawn, share):
    """Returns 0 within a square per image and 1 elsewhere, float32 (batch, height, width, 1); its
    center, (batch, 2) in [-1, 1], is drawn.
    """
    import tensorflow as tf

    inside = 1.0
    for axis, size in enumerate(shape):
        places = 2 * (tf.range(size, dtype=tf.float32) + 0.5) / size - 1
        near = tf.cast(tf.abs(places[None] - drawn[:, axis, None]) <= share, tf.float32)
        inside *= near[:, :, None, None] if axis == 0 else near[:, None, :, None]
    return 1 - inside


def with_instance_noise(learner, images, use):
    """Adds Gaussian noise whose deviation falls linearly to 0 (Sonderby et al. 2017,
    arXiv 1610.04490).

    Args:
      learner: Learner whose settings have `instance_noise_std` and `instance_noise_steps`.
      images: float (batch, height, width, channels).
      use: see Learner.draw.
    """
    import tensorflow as tf

    settings = learner.settings
    if not settings.instance_noise_std:
        return images
    elapsed = tf.cast(learner.steps_taken.value, tf.float32) / settings.instance_noise_steps
    std = settings.instance_noise_std * tf.maximum(0.0, 1.0 - elapsed)
    return images + std * learner.draw(
        lambda count, seed: tf.random.stateless_normal((count, *learner.image_shape), seed),
        images,
        use,
    )
