"""Whether attributes are directions in latent space: how often a step along one flips a classifier
of the attribute.
"""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

NUM_TRAINING_IMAGES, NUM_MOVED_IMAGES, FEWEST_EXAMPLES = 10_000, 200, 20
_COMPONENTS = 100
PROTOCOL = (
    "an attribute's vector is the mean encoding of training images with it minus that of those "
    f"without (Larsen et al. 2016, Section 3.3; at most {NUM_TRAINING_IMAGES:,} images); of up to "
    f"{NUM_MOVED_IMAGES} real images without the attribute, the share in which adding the vector "
    "to the encoding turns the answer of a classifier on what is generated, from without to with; "
    "random: the same for a vector of the same length in a random direction; classifier: logistic "
    f"regression on {_COMPONENTS} principal components of the training images' pixels; "
    f"attributes of which fewer than {FEWEST_EXAMPLES} images have one answer are left out"
)


def attribute_flips(training_attributes, attribute_moves, training_images):
    """Returns a dict from each attribute, and "mean", to the share of flips along its vector, and
    from the same with "_random" to that along a random one.

    Args:
      training_attributes: dict from an attribute's name to bool (count,).
      attribute_moves: iterable of (name, images generated from encodings, the same moved along the
        attribute's vector, the same moved at random), each (moved, height, width, channels).
      training_images: float (count, height, width, channels).

    Raises:
      ValueError: if no attribute can be scored.
    """
    pixels = training_images.reshape(len(training_images), -1)
    components = PCA(min(_COMPONENTS, *pixels.shape), svd_solver="randomized", random_state=0).fit(
        pixels
    )
    reduced, along, at_random = components.transform(pixels), {}, {}
    for name, before, moved, moved_at_random in attribute_moves:
        classifier = LogisticRegression(class_weight="balanced", max_iter=1000).fit(
            reduced, training_attributes[name]
        )
        says = make_pipeline(components, classifier).predict
        without = ~says(before.reshape(len(before), -1))
        if without.any():
            for flips, images in ((along, moved), (at_random, moved_at_random)):
                answers = says(images.reshape(len(images), -1)[without])
                flips[name] = float(np.mean(answers))
    if not along:
        raise ValueError("of no attribute there are enough images with it and without")
    along, at_random = (
        flips | {"mean": np.mean(list(flips.values()))} for flips in (along, at_random)
    )
    return along | {f"{name}_random": share for name, share in at_random.items()}
