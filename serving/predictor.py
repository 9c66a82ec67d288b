"""Answers the SavedModel's signatures from the exported ONNX files, with numpy."""

import io

import numpy as np
from PIL import Image

from keras_infogan.config import UserError, did_you_mean
from keras_infogan.contract import PNG


class Predictor:
    """
    Attributes:
      signatures: dict from name to (inputs, outputs) as in Contract.signatures, without those that need weights where the ONNX file takes indices.
    """

    def __init__(self, model):
        """
        Args:
          model: OnnxModel with generator and recognizer.
        """
        self._model, self._contract = model, model.contract
        every = model.contract.signatures()
        by_weights = ("blend", "latents") if model.contract.categories == "index" and any(not code.continuous for code in model.latents.codes) else ()
        self.signatures = {name: signature for name, signature in every.items() if name not in by_weights}

    def inputs(self, signature):
        """Returns the Tensors that a signature takes; raises UserError if it is not offered."""
        if signature not in self.signatures:
            known = self._contract.signatures()
            reason = "takes weights, which this ONNX file does not; export with --onnx_categories=weights" if signature in known else "is not known"
            raise UserError(
                f"the signature {signature[:60]!r} {reason}{did_you_mean(signature[:60], self.signatures)}; it offers {', '.join(self.signatures)}."
            )
        return self.signatures[signature][0]

    def predict(self, signature, inputs):
        """Returns a signature's outputs, a dict of arrays (of a PNG: a list of bytes), for named numpy arrays of its types and shapes.

        Raises:
          UserError: if a number is out of its range; the sentence names the input and the image.
        """
        for name, (valid, expected) in self._contract.checks(inputs).items():
            if not valid.all():
                raise UserError(f"{name}: expected {expected}, and number {int(valid.argmin())} is not.")
        if signature == "encode":
            return self._model.answers(inputs["images"] * 2 - 1)
        with np.errstate(over="ignore", invalid="ignore"):
            images = (self._model.generate(self._latents(inputs)) + 1) / 2
        return {PNG.name: [_png(image) for image in images]} if signature == "png" else {"images": images}

    def _latents(self, inputs):
        if "latents" in inputs:
            return inputs["latents"]
        spec = self._contract.latents
        count = len(next(iter(inputs.values())))
        parts = {"noise": spec.noise.from_seeds(inputs["seed"]) if "seed" in inputs else inputs.get("noise", np.zeros((count, 0)))}
        for code in spec.codes:
            values = inputs[code.name]
            parts[code.name] = np.eye(code.size)[values] if code.kind == "categorical" and values.ndim == 1 else values.reshape(count, -1)
        return spec.pack(parts)


def _png(image):
    """Returns an image, (height, width, channels) in [0, 1], as the bytes of a PNG file; what is no number becomes 0."""
    levels = np.round(np.nan_to_num(image) * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels).save(file, "PNG")
    return file.getvalue()
