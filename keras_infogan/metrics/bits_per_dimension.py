"""The negative log likelihood of real images, in bits per number of an image."""

import numpy as np

PROTOCOL = (
    "the negative of the log likelihood's mean, in bits, divided by the numbers that an image has "
    "(pixels times channels); see log_likelihood"
)


def bits_per_dimension(likelihoods, likelihood_images):
    """Returns a dict of bits per dimension, of what `log_likelihood` takes."""
    dimensions = likelihood_images[0].size
    return {
        name: float(-np.mean(nats) / (dimensions * np.log(2))) for name, nats in likelihoods.items()
    }
