"""What a trained model can do, by name.

Tools ask for a capability, never for a kind of model; here is the one place that refuses.

A model has a capability if it has a method of its name, on tensors and in inference:

    generate(latents)                 images in [-1, 1] of latent vectors, float32 (batch,
                                      latent_spec.size)
    decode(latents)                   images in [-1, 1] of latent vectors that were encoded, where
                                      there is no prior to generate from
    encode(images)                    parameters of Q(c|x), float32 (batch,
                                      latent_spec.total_parameters)
    log_likelihood(images[, noise])   nats per image, float32 (batch,), where the estimate draws
                                      with noise from N(0, 1), float32 (batch, size); the model's
                                      attribute `likelihood` says what they are, {"meaning": a text,
                                      "exact": or a bound, "binary": pixels, "noise_size": size},
                                      of binary pixels "binarization": how the training images'
                                      were drawn, "dynamic", "fixed" or "none", and of pixels that
                                      have few values "levels": how many
    surprise(images)                  nats of each pixel given those before it, float32 (batch,
                                      height, width), whose sum is minus the log likelihood
    complete(images, known, latents)  images with the pixels drawn anew that are not known, float32
                                      (batch, height, width, 1), 1 or 0, given those that are
    classify(images)                  probabilities of classes, float32 (batch, classes), as many as
                                      the model's attribute `num_classes` says
    edit(latents, unit_gain)          images in [-1, 1] as generate gives them, with each unit of
                                      one layer times its gain, float32 (batch, units): of a model
                                      that is open at a layer (`trained.TrainedLearner.open`)

and some follow from others: "reconstruct", generate or decode what was encoded, where there is no
noise that encoding leaves open.
"""

import functools

from keras_infogan.config import UserError

CAPABILITIES = {
    "generate": "generate from latents",
    "decode": "decode what it encoded",
    "encode": "encode",
    "reconstruct": "reconstruct",
    "log_likelihood": "say how likely images are",
    "classify": "classify",
    "surprise": "say how surprising each pixel is",
    "complete": "complete images",
    "edit": "generate with units switched off",
}


class IncapableError(UserError):
    """A model cannot do what is asked."""


def of(model):
    """Returns the names of what a Learner can do, in the order of CAPABILITIES."""
    found = {name for name in CAPABILITIES if callable(getattr(model, name, None))}
    if "encode" in found and found & {"generate", "decode"} and not model.latent_spec.noise.size:
        found.update(_IMPLIED)
    return tuple(name for name in CAPABILITIES if name in found)


def function(model, name):
    """Returns the function of a Learner's capability: tensors -> tensor."""
    return getattr(model, name, None) or functools.partial(_IMPLIED[name], model)


def _reconstruct(model, images):
    """Returns what a model makes of what it encodes, the likeliest value of each code."""
    spec, make = model.latent_spec, getattr(model, "generate", None) or model.decode
    return make(spec.assembled(spec.outputs(model.encode(images))))


_IMPLIED = {"reconstruct": _reconstruct}


def require(model, name):
    """Raises IncapableError unless a model, which has `title` and `capabilities`, can
    do what is asked.
    """
    if name not in model.capabilities:
        offered = ", ".join(CAPABILITIES[other] for other in model.capabilities)
        article = "an" if model.title[0] in "AEIOU" else "a"
        raise IncapableError(
            f"{article} {model.title} cannot {CAPABILITIES[name]}; it can "
            f"{offered or 'do nothing of that kind'}."
        )
