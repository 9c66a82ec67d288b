"""Answers the SavedModel's signatures from the exported ONNX files, with numpy."""

import io

import numpy as np
from PIL import Image

from keras_infogan.config import UserError, did_you_mean
from keras_infogan.contract import (
    CLASS,
    CLASS_PROBABILITIES,
    LOG_LIKELIHOOD,
    PNG,
    RECONSTRUCTIONS,
)
from keras_infogan.units import UNIT_GAIN


class Predictor:
    """
    Attributes:
      signatures: dict from name to Graph as in Contract.signatures, without those that need weights
        where the ONNX file takes indices.
    """

    def __init__(self, model):
        """
        Args:
          model: OnnxModel with all that was exported.
        """
        self._model, self._contract = model, model.contract
        by_weights = (
            ("blend", "latents") if model.contract.blends and not model.takes_weights else ()
        )
        self.signatures = {
            name: graph
            for name, graph in model.contract.signatures().items()
            if name not in by_weights
        }

    def inputs(self, signature):
        """Returns the Tensors that a signature takes; raises UserError if it is not offered."""
        if signature not in self.signatures:
            known = self._contract.signatures()
            reason = (
                (
                    "takes weights, which this ONNX file does not; export with "
                    "--onnx_categories=weights"
                )
                if signature in known
                else "is not known"
            )
            raise UserError(
                f"the signature {signature[:60]!r} "
                f"{reason}{did_you_mean(signature[:60], self.signatures)}; it offers "
                f"{', '.join(self.signatures)}."
            )
        return self.signatures[signature].inputs

    def predict(self, signature, inputs):
        """Returns a signature's outputs, a dict of arrays (of a PNG: a list of bytes), for named
        numpy arrays of its types and shapes.

        Raises:
          UserError: if a number is out of its range; the sentence names the input and the image.
        """
        graph = self.signatures[signature]
        for name, (valid, expected) in self._contract.checks(inputs, graph.capability).items():
            if not valid.all():
                raise UserError(
                    f"{name}: expected {expected}, and number {int(valid.argmin())} is not."
                )
        if graph.capability == "encode":
            return self._model.outputs(inputs["images"] * 2 - 1)
        if graph.capability == "log_likelihood":
            return {
                LOG_LIKELIHOOD.name: self._model.log_likelihoods(
                    *(
                        array * 2 - 1 if name == "images" else array
                        for name, array in inputs.items()
                    )
                )
            }
        if graph.capability == "classify":
            probabilities = self._model.classify(inputs["images"] * 2 - 1)
            return {
                CLASS.name: probabilities.argmax(axis=-1),
                CLASS_PROBABILITIES: probabilities,
            }
        with np.errstate(over="ignore", invalid="ignore"):
            if graph.capability == "reconstruct":
                return {
                    RECONSTRUCTIONS: (self._model.reconstruct(inputs["images"] * 2 - 1) + 1) / 2
                }
            latents = self._contract.latent_spec.vectors(inputs)
            gains = (inputs[UNIT_GAIN],) if graph.capability == "edit" else ()
            images = (getattr(self._model, graph.capability)(latents, *gains) + 1) / 2
        return (
            {PNG.name: [_png(image) for image in images]}
            if graph.outputs == (PNG,)
            else {"images": images}
        )


def _png(image):
    """Returns an image, (height, width, channels) in [0, 1], as the bytes of a PNG file; what is no
    number becomes 0.
    """
    levels = np.round(np.nan_to_num(image) * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels).save(file, "PNG")
    return file.getvalue()
