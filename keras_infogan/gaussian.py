"""Bricks of encoders whose answer is a Gaussian for each latent: q(z|x) = N(mean, exp(log
variance)) (Kingma and Welling 2013, arXiv 1312.6114).
"""

import tensorflow as tf
from keras import ops


def moments(latent_spec, parameters):
    """Returns mean and log variance, each (batch, latents), of an encoder's output (batch, 2
    latents), mean and log variance of each latent in turn; the log variance clipped.
    """
    parameters = ops.reshape(parameters, (-1, latent_spec.size, 2))
    return parameters[..., 0], latent_spec.posterior.log_variance(parameters[..., 1])


def drawn(learner, mean, log_variance, use):
    """Returns latents drawn from q(z|x), (batch, latents), through which gradients pass to both
    arguments (the reparametrization, equation 10).

    Args:
      learner: Learner, whose draws they are.
      mean, log_variance: float32 (batch, latents).
      use: see Learner.draw.
    """
    noise = learner.draw(
        lambda count, seed: tf.random.stateless_normal((count, mean.shape[1]), seed), mean, use
    )
    return mean + ops.exp(0.5 * log_variance) * noise


def divergences(mean, log_variance):
    """Returns KL(q(z|x) || N(0, 1)) of each latent in nats, (batch, latents) (Appendix B)."""
    return -0.5 * (1 + log_variance - ops.square(mean) - ops.exp(log_variance))
