"""Compares what the exported files give with what the Keras model gives, for the same latents.

Images are compared in [0, 1], over latents drawn from the prior and the ends of every range; recognizers by their probabilities, means and standard deviations,
on the images that these latents give.
"""

import dataclasses
import io
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from PIL import Image
from scipy import special
from tqdm import tqdm

from keras_infogan import onnx_model
from keras_infogan.config import UserError
from keras_infogan.contract import PNG
from keras_infogan.export.cpp_session import CppSession
from keras_infogan.latents import NUM_SEEDS

NUM_LATENTS = 10_000
_BATCH_SIZE = 250
# Largest differences allowed. What is rounded to gray levels may be half of one farther off.
_FLOAT32, _FLOAT16, _RECOGNIZER, _HALF_LEVEL = 1e-5, 5e-3, 1e-4, 0.5 / 255


@dataclasses.dataclass
class _Route:
    """One way to compute images or answers.

    Attributes:
      file, through: what is loaded, and by which program.
      graph: name in Contract.signatures or Contract.onnx_graphs.
      run: named inputs -> named outputs, dicts of arrays.
      tolerance: largest difference allowed.
      worst: the largest found, and where: a sentence.
    """

    file: str
    through: str
    graph: str
    run: Callable
    tolerance: float
    worst: float = 0.0
    where: str = ""


def latents_and_seeds(spec, count=NUM_LATENTS, seed=0):
    """Returns latent vectors, float32 (count, size), and seeds, int64: the first len(seeds) vectors have the noise of these seeds; the others are edges."""
    edges = spec.edges(seed)
    seeds = np.arange(max(count - len(edges), 1), dtype=np.int64)
    seeds[-1] = NUM_SEEDS - 1
    drawn = spec.sample(len(seeds), seed)
    return np.concatenate([spec.pack(spec.unpack(drawn) | {"noise": spec.noise.from_seeds(seeds)}), edges]), seeds


def measure(contract, model, directory, names):
    """Compares the exported files of these names in a directory with a loaded model, and replays the SavedModel's warm-up requests.

    Returns:
      The table of generator.json's "parity".

    Raises:
      UserError: if a difference is larger than allowed, or a request fails; the sentence says where.
    """
    routes, sessions = [], []
    for name in names:
        if name.endswith(".onnx"):
            routes.append(_onnx_route(contract, directory / name))
        else:
            more, sessions = _saved_model_routes(contract, directory, name)
            routes += more
    latents, seeds = latents_and_seeds(contract.latents)
    for start in tqdm(range(0, len(latents), _BATCH_SIZE), desc="comparing with Keras", unit="batch"):
        rows = slice(start, start + _BATCH_SIZE)
        images = (model.generate(latents[rows]) + 1) / 2
        shown = contract.from_onnx_images(contract.to_onnx_images(images))  # rounded, if the files' images are
        answers = _answers(contract.latents, model.encode(shown * 2 - 1))
        for route in routes:
            if route.graph in ("encode", "recognizer"):
                outputs, expected = route.run(contract.feeds(route.graph, images=shown)), answers
            else:
                count = len(seeds[rows]) if route.graph in ("from_seed", "png") else len(images)
                if not count:
                    continue
                outputs = {"images": _as_float(contract, route, route.run(contract.feeds(route.graph, latents[rows][:count], seeds[rows])))}
                expected = {"images": images[:count]}
            _compare(contract, route, start, latents[rows], outputs, expected)
    for session in sessions:
        session.close()
    for route in routes:
        if not route.worst <= route.tolerance:
            remedy = " (leave this file out with --nofp16)" if "fp16" in route.file else ""
            raise UserError(
                f"{route.file} ({route.graph}, through {route.through}) differs from Keras by {route.worst:.2g}, and {route.tolerance:.2g} is allowed: "
                f"{route.where}; nothing was exported{remedy}."
            )
    return [
        {"file": route.file, "through": route.through, "signature": route.graph, "largest_difference": float(f"{route.worst:.3g}")}
        | {"allowed": float(f"{route.tolerance:.3g}"), "latents": len(latents) if route.graph not in ("from_seed", "png") else len(seeds)}
        for route in routes
    ]


def _saved_model_routes(contract, directory, file):
    """Returns the routes through a SavedModel, each of whose warm-up requests was answered, and the C++ session to be closed after them, in a list."""
    from keras_infogan.export import to_saved_model  # here, because it needs a package that exports without a SavedModel do not

    loaded = tf.saved_model.load(str(directory / file))

    def run(name):
        return lambda feeds: {key: value.numpy() for key, value in loaded.signatures[name](**{key: tf.constant(array) for key, array in feeds.items()}).items()}

    through = {"Python": run}
    sessions = []
    try:
        sessions.append(CppSession(directory / file))
        through["the C++ loader"] = lambda name: lambda feeds: sessions[0].run(name, feeds)
    except UserError as error:
        tqdm.write(f"Not compared: the SavedModel through the C++ loader ({error}).")
    for name, feeds in to_saved_model.warm_up_requests(directory / file):
        for program, runner in through.items():
            try:
                runner(name)(feeds)
            except (UserError, tf.errors.OpError, TypeError) as error:
                raise UserError(
                    f"the SavedModel's signature {name} fails on its own warm-up request through {program} ({error}); nothing was exported."
                ) from None
    tolerances = {"png": _HALF_LEVEL + _FLOAT32, "encode": _RECOGNIZER}
    chosen = [(program, name) for program in through for name in contract.signatures() if name == "serving_default" or program == list(through)[-1]]
    return [_Route(file, program, name, through[program](name), tolerances.get(name, _FLOAT32)) for program, name in chosen], sessions


def _onnx_route(contract, path):
    session, _ = onnx_model.open_session(path)
    names = [output.name for output in session.get_outputs()]
    if path.stem == "recognizer":
        tolerance = _RECOGNIZER
    else:
        tolerance = _FLOAT16 if path.stem.endswith("fp16") else _FLOAT32
        tolerance += _HALF_LEVEL if contract.image_type == "uint8" else 0.0
    graph = path.stem.removesuffix("_fp16")
    return _Route(path.name, "ONNX Runtime", graph, lambda feeds: dict(zip(names, session.run(None, feeds), strict=True)), tolerance)


def _as_float(contract, route, outputs):
    """Returns a route's images as float32 (batch, height, width, channels) in [0, 1]."""
    if route.graph == "png":
        height, width, channels = contract.run.image_shape
        pictures = [np.asarray(Image.open(io.BytesIO(data))) for data in outputs[PNG.name]]
        return np.stack(pictures).reshape(-1, height, width, channels) / np.float32(255)
    return contract.from_onnx_images(outputs["images"]) if route.graph == "generator" else outputs["images"]


def _answers(spec, parameters):
    """Returns what `Contract.answers` names, of Q's parameters, computed apart from what is exported."""
    answers = {"parameters": parameters}
    for code, part in zip(spec.codes, spec.unpack_parameters(parameters).values(), strict=True):
        if code.continuous:
            answers |= {code.name: part[:, 0], f"{code.name}_std": np.exp(spec.posterior.log_std(part)[:, 0])}
        else:
            logits = part if code.kind == "categorical" else np.concatenate([np.zeros_like(part), part], axis=-1)
            answers |= {code.name: logits.argmax(axis=-1), f"{code.name}_probabilities": special.softmax(logits, axis=-1)}
    return answers


def _difference(name, array, expected):
    """Returns how far each number of an output is from what was expected, infinitely where it is NaN.

    Parameters above 1 are compared by their ratio. A category that is not the expected one counts as 1, unless both are as likely.
    """
    if array.dtype == np.int64:
        probabilities = expected[f"{name}_probabilities"]
        rows = np.arange(len(array))
        likelier = probabilities.max(axis=-1) - probabilities[rows, np.clip(array, 0, probabilities.shape[1] - 1)] > _RECOGNIZER
        return ((array != expected[name]) & (likelier | (array < 0) | (array >= probabilities.shape[1]))).astype(np.float32)
    scale = np.maximum(np.abs(expected[name]), 1) if name == "parameters" else 1
    return np.nan_to_num(np.abs(array - expected[name]) / scale, nan=np.inf)


def _compare(contract, route, start, latents, outputs, expected):
    """Updates a route's worst difference with that of one batch, which begins at latent `start`."""
    for name in expected:
        difference = _difference(name, outputs[name], expected)
        if difference.max() > route.worst:
            image, *place = (int(index) for index in np.unravel_index(difference.argmax(), difference.shape))
            codes = ", ".join(f"{code} {values[image]:.3g}" for code, values in contract.latents.values(latents).items())
            route.worst, route.where = float(difference.max()), f"in {name} {place} of latent {start + image} ({codes})"
