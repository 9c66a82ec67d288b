"""Images per second of models that draw pixel by pixel, beside the naive loop, which computes the
whole image for every pixel: python tests/benchmarks/sampling_time.py --count=64 --sizes=8,16,28

Prints a line per model, architecture and image size: seconds of processor time per batch as
`generate` draws it (compiled, a row of the image for each pixel), and by the naive loop, the whole
network compiled; and whether both drew the same.
"""

import argparse
import dataclasses
import time

import numpy as np
import tensorflow as tf

from keras_infogan import models, trained


def naive(model, latents):
    """Returns the images of noise, the whole network for every number in turn."""
    shape, top = model.image_shape, model.settings.levels - 1
    predicted = tf.function(
        lambda values: model._predicted(values, model._nothing_above(values))[0],
        reduce_retracing=True,
    )
    values = np.zeros((len(latents), np.prod(shape)), np.float32)
    chances = (latents + 1) / 2
    for place in range(values.shape[1]):
        logits = predicted(tf.constant(values.reshape(-1, *shape)))
        logits = tf.reshape(logits, (len(latents), -1, top + 1))[:, place]
        function = tf.cumsum(tf.nn.softmax(logits), axis=-1).numpy()[:, :top]
        values[:, place] = (function <= chances[:, place, None]).sum(axis=1)
    return values.reshape(-1, *shape) * (2 / top) - 1


def measured(function, *arguments):
    """Returns the result, and the processor time of a second call in seconds."""
    function(*arguments)
    start = time.process_time()
    return function(*arguments), time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--sizes", default="8,16,28")
    parser.add_argument("--models", default="pixelcnn:plain,pixelcnn:gated,pixelrnn:row")
    arguments = parser.parse_args()
    for name, architecture in (one.split(":") for one in arguments.models.split(",")):
        for size in map(int, arguments.sizes.split(",")):
            settings = dataclasses.replace(models.presets(name)["mnist"], architecture=architecture)
            model = models.build(name, settings, (size, size, 1))
            latents = model.latent_spec.sample(arguments.count, 0)
            drawn, seconds = measured(trained.TrainedLearner(model).generate, latents)
            others, naive_seconds = measured(naive, model, latents)
            same = np.mean(np.all(drawn == others, axis=(1, 2, 3)))
            print(
                f"{name} {architecture} {size}x{size}: {arguments.count / seconds:.1f} images per "
                f"second, naive {arguments.count / naive_seconds:.1f}; {same:.0%} the same",
                flush=True,
            )


if __name__ == "__main__":
    main()
