"""What is done to images before a discriminator sees them."""

import tensorflow as tf


def with_instance_noise(learner, images, use):
    """Adds Gaussian noise whose deviation falls linearly to 0 (Sonderby et al. 2017, arXiv 1610.04490).

    Args:
      learner: Learner whose settings have `instance_noise_std` and `instance_noise_steps`.
      images: float (batch, height, width, channels).
      use: see Learner.draw.
    """
    settings = learner.settings
    if not settings.instance_noise_std:
        return images
    elapsed = tf.cast(learner.steps_taken.value, tf.float32) / settings.instance_noise_steps
    std = settings.instance_noise_std * tf.maximum(0.0, 1.0 - elapsed)
    return images + std * learner.draw(lambda count, seed: tf.random.stateless_normal((count, *learner.image_shape), seed), images, use)
