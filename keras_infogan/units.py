"""The units of a generator's layer, each one channel of its maps: which layers have any, and gains
by which units are switched off from outside.

GAN Dissection (Bau et al. 2018, arXiv 1811.10597) asks what they stand for, in `dissection`.
"""

import contextlib
import dataclasses
import re

from keras_infogan.codes import LARGEST, Tensor, operations, within
from keras_infogan.config import UserError, did_you_mean
from keras_infogan.untrusted import has_form

UNIT_GAIN = "unit_gain"
_MEANING = "each unit's map is multiplied by its gain: 1 leaves it as it is, 0 removes it"


@dataclasses.dataclass(frozen=True)
class Units:
    """The units that a generator takes gains of.

    Attributes:
      layer: its name, see `layers_of`.
      segments: of each unit the part of the images that a dissection matched it to, or None.
    """

    layer: str
    segments: tuple

    @property
    def gain(self):
        """The Tensor that a program hands over."""
        return Tensor(UNIT_GAIN, "float32", (len(self.segments),))

    def to_json(self):
        """Returns what a contract says of the units; `from_json` reads it."""
        return {
            "layer": self.layer,
            "name": UNIT_GAIN,
            "type": "float32",
            "shape": ["batch", len(self.segments)],
            "meaning": _MEANING,
            "segments": list(self.segments),
        }

    @classmethod
    def from_json(cls, content):
        """Raises ValueError if it is damaged."""
        form = {"layer": str, "segments": [(str, None)]}
        if not has_form(content, form) or not content["segments"]:
            raise ValueError(f"units are {content!r:.100}")
        return cls(content["layer"], tuple(content["segments"]))


def valid_gains(gains):
    """Says which gains (batch, units), an array or a tensor, are valid: (bool (batch,); what is
    expected, text).
    """
    return operations(gains).all(within(gains, -LARGEST, LARGEST), axis=1), "finite numbers"


def layers_of(model):
    """Returns the layers that a TrainedLearner generates through, in their order: a dict from a
    name to (the Keras layer, shape of its output without the batch).

    Names are Keras's, numbered from 1: Keras itself goes on counting from model to model.

    Raises:
      UserError: if it does not generate, or draws an image piece by piece: then a layer has no one
        map of it.
    """
    import tensorflow as tf

    model.require("generate")
    seen, counts, named = [], {}, {}
    with contextlib.ExitStack() as stack:
        for layer in model.learner._flatten_layers(include_self=False):
            if not getattr(layer, "layers", None):

                def note(output, layer=layer):
                    seen.append((layer, output))
                    return output

                stack.enter_context(changed(layer, note))
        vectors = tf.TensorSpec((None, model.latent_spec.size))
        generate = tf.function(model.learner.generate, autograph=False)
        graph = generate.get_concrete_function(vectors).graph
    if any(output.graph is not graph for _, output in seen):
        raise UserError(
            f"a {model.title} draws its images pixel by pixel, and has no maps of a whole one; "
            "look into a model that makes an image at once."
        )
    # The last one gives the image itself.
    for layer, output in seen[:-1]:
        kind = re.sub(r"_\d+$", "", layer.name)
        counts[kind] = counts.get(kind, 0) + 1
        named[f"{kind}_{counts[kind]}"] = layer, tuple(output.shape[1:])
    return named


def layer_with_maps(model, name=None):
    """Returns a layer that a TrainedLearner generates through: (its name, the Keras layer, (height,
    width, units) of its maps).

    Args:
      model: a TrainedLearner.
      name: one of `layers_of`; default: the last that a nonlinearity gives maps of, before the
        image.

    Raises:
      UserError: if the model does not generate, or has no such layer, or that has no map.
    """
    found = layers_of(model)
    with_maps = [name for name, (_, shape) in found.items() if _is_map(shape)]
    if not with_maps:
        raise UserError(
            f"this {model.title} generates without a map of units (its layers: "
            f"{', '.join(found)}); train one whose generator has convolutions."
        )
    name = name or next(
        (name for name in reversed(with_maps) if name.startswith("activation")), with_maps[-1]
    )
    if name not in with_maps:
        fault = "has no map" if name in found else "is not there"
        raise UserError(
            f"the layer {name!r} {fault}{did_you_mean(name, with_maps)}; those with maps are "
            f"{', '.join(with_maps)}."
        )
    return name, *found[name]


def _is_map(shape):
    return len(shape) == 3 and min(shape[:2]) > 1


@contextlib.contextmanager
def changed(layer, change):
    """While it lasts a Keras layer's output goes through a function."""
    call = layer.call
    layer.call = lambda *inputs, **options: change(call(*inputs, **options))
    try:
        yield
    finally:
        del layer.call


def edit(learner, layer, latents, gains):
    """Returns images of latent vectors, each unit of a Keras layer of the generator times its gain,
    tensors (batch, size) and (batch, units).
    """
    with changed(layer, lambda maps: maps * gains[:, None, None, :]):
        return learner.generate(latents)
