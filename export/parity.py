"""Compares what the exported files give with what the Keras model gives, for the same latents.

Images are compared in [0, 1], over latents drawn from the prior and the ends of every range (where
noise picks pixels one by one, a rounding may tip one, and with it all that follow: a share of
images may be others);
recognizers by their probabilities, means and standard deviations, and likelihoods in shares of
their size, on the images that these latents give, or of a model that generates nothing, on images
of noise; units with gains from 0 to 1, a quarter of them off and a quarter as they are.
"""

import dataclasses
import io
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from keras_infogan import onnx_model
from keras_infogan.config import UserError
from keras_infogan.contract import (
    CLASS,
    CLASS_PROBABILITIES,
    LOG_LIKELIHOOD,
    PNG,
    RECONSTRUCTIONS,
    Graph,
)
from keras_infogan.export.cpp_session import CppSession
from keras_infogan.export.graphs import EXPORTED
from keras_infogan.latents import NUM_SEEDS

NUM_LATENTS = 10_000
# Where noise picks pixels one by one: so many are drawn in minutes, and that share may be others.
_NUM_PICKED, _MOST_TIPPED = 500, 0.02
_BATCH_SIZE = 250
# Differences allowed in half precision; and what is rounded to gray levels may be half of
# one farther off.
_FLOAT16, _HALF_LEVEL = 5e-3, 0.5 / 255


@dataclasses.dataclass
class _Route:
    """One way to compute images or answers.

    Attributes:
      file, through: what is loaded, and by which program.
      name: in Contract.signatures or Contract.onnx_graphs.
      graph: the Graph of that name.
      run: named inputs -> named outputs, dicts of arrays.
      tolerance: largest difference allowed.
      worst: the largest found, and where: a sentence.
      tipped: images found in which a pixel tipped.
    """

    file: str
    through: str
    name: str
    graph: Graph
    run: Callable
    tolerance: float
    worst: float = 0.0
    where: str = ""
    tipped: int = 0


def latents_and_seeds(spec, count, seed=0):
    """Returns latent vectors, float32 (count, size), and seeds, int64: the first len(seeds) vectors
    have the noise of these seeds; the others are edges.
    """
    edges = spec.edges(seed)
    seeds = np.arange(max(count - len(edges), 1), dtype=np.int64)
    seeds[-1] = NUM_SEEDS - 1
    drawn = spec.sample(len(seeds), seed)
    return np.concatenate(
        [spec.pack(spec.unpack(drawn) | {"noise": spec.noise.from_seeds(seeds)}), edges]
    ), seeds


def measure(contract, model, directory, names):
    """Compares the exported files of these names in a directory with a loaded model, and replays
    the SavedModel's warm-up requests.

    Returns:
      The table of generator.json's "parity".

    Raises:
      UserError: if a difference is larger than allowed, or a request fails; the
        sentence says where.
    """
    routes, sessions = [], []
    for name in names:
        if name.endswith(".onnx"):
            routes.append(_onnx_route(contract, directory / name))
        else:
            more, sessions = _saved_model_routes(contract, directory, name)
            routes += more
    picked = contract.latent_spec.noise.picks_pixels
    latents, seeds = latents_and_seeds(
        contract.latent_spec, min(NUM_LATENTS, _NUM_PICKED) if picked else NUM_LATENTS
    )
    for start in tqdm(
        range(0, len(latents), _BATCH_SIZE), desc="comparing with Keras", unit="batch"
    ):
        rows = slice(start, start + _BATCH_SIZE)
        given = {"latents": latents[rows], "seeds": seeds[rows]}
        if "generate" in contract.capabilities:
            images = (model.generate(latents[rows]) + 1) / 2
        else:
            images = np.random.default_rng(start).random(
                (len(latents[rows]), *contract.image_shape), np.float32
            )
        # Rounded, if the files' images are.
        given["images"] = contract.from_onnx_images(contract.to_onnx_images(images))
        given["noise"] = contract.likelihood_noise.from_seeds(
            start + np.arange(len(images), dtype=np.int64)
        )
        if contract.units:
            drawn = np.random.default_rng(start).uniform(
                -0.5, 1.5, (len(images), *contract.units.gain.shape)
            )
            given["unit_gain"] = drawn.clip(0, 1).astype(np.float32)
        expected = _expected(contract, model, images, given)
        for route in routes:
            # Of the last latents, which are no seed's, only what takes latents is compared.
            count = len(seeds[rows]) if _takes_seeds(route.graph) else len(images)
            if count:
                feeds = contract.feeds(
                    route.name, **{name: array[:count] for name, array in given.items()}
                )
                outputs = _as_float(contract, route, route.run(feeds))
                _compare(
                    contract,
                    route,
                    start,
                    latents[rows],
                    outputs,
                    {
                        name: array[:count]
                        for name, array in expected[route.graph.capability].items()
                    },
                )
    for session in sessions:
        session.close()
    for route in routes:
        if route.tipped > _MOST_TIPPED * len(latents):
            raise UserError(
                f"{route.file} ({route.name}, through {route.through}) draws other pixels than "
                f"Keras in {route.tipped} of {len(latents)} images, and {_MOST_TIPPED:.0%} are "
                "allowed; nothing was exported."
            )
        if not route.worst <= route.tolerance:
            remedy = " (leave this file out with --nofp16)" if "fp16" in route.file else ""
            raise UserError(
                f"{route.file} ({route.name}, through {route.through}) differs from Keras by "
                f"{route.worst:.2g}, and {route.tolerance:.2g} is allowed: {route.where}; nothing "
                f"was exported{remedy}."
            )
    return [
        {
            "file": route.file,
            "through": route.through,
            "signature": route.name,
            "largest_difference": float(f"{route.worst:.3g}"),
        }
        | {
            "allowed": float(f"{route.tolerance:.3g}"),
            "latents": len(seeds) if _takes_seeds(route.graph) else len(latents),
        }
        | (
            {"images_with_a_tipped_pixel": route.tipped}
            if picked and route.graph.capability == "generate"
            else {}
        )
        for route in routes
    ]


def _saved_model_routes(contract, directory, file):
    """Returns the routes through a SavedModel, each of whose warm-up requests was answered, and the
    C++ session to be closed after them, in a list.
    """
    # Here, because it needs a package that exports without a SavedModel do not.
    from keras_infogan.export import to_saved_model

    loaded = tf.saved_model.load(str(directory / file))

    def run(name):
        return lambda feeds: {
            key: value.numpy()
            for key, value in loaded.signatures[name](
                **{key: tf.constant(array) for key, array in feeds.items()}
            ).items()
        }

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
                    f"the SavedModel's signature {name} fails on its own warm-up request through "
                    f"{program} ({error}); nothing was exported."
                ) from None
    routes = []
    for name, graph in contract.signatures().items():
        tolerance = EXPORTED[graph.capability].tolerance + (
            _HALF_LEVEL if graph.outputs == (PNG,) else 0.0
        )
        programs = through if name == "serving_default" else list(through)[-1:]
        routes += [
            _Route(file, program, name, graph, through[program](name), tolerance)
            for program in programs
        ]
    return routes, sessions


def _onnx_route(contract, path):
    session, _ = onnx_model.open_session(path)
    names = [output.name for output in session.get_outputs()]
    name = path.stem.removesuffix("_fp16")
    graph = contract.onnx_graphs()[name]
    tolerance = _FLOAT16 if path.stem != name else EXPORTED[graph.capability].tolerance
    makes_images = graph.capability in ("generate", "decode", "reconstruct", "edit")
    tolerance += _HALF_LEVEL if makes_images and contract.image_type == "uint8" else 0.0
    return _Route(
        path.name,
        "ONNX Runtime",
        name,
        graph,
        lambda feeds: dict(zip(names, session.run(None, feeds), strict=True)),
        tolerance,
    )


def _takes_seeds(graph):
    return any(tensor.name == "seed" for tensor in graph.inputs)


def _expected(contract, model, images, given):
    """Returns what each capability gives by the Keras model, named arrays: images, answers
    and likelihoods.
    """
    shown, expected = given["images"] * 2 - 1, {"generate": {"images": images}}
    if "decode" in contract.capabilities:
        expected["decode"] = {"images": (model.decode(given["latents"]) + 1) / 2}
    if "edit" in contract.capabilities:
        edited = model.edit(given["latents"], given["unit_gain"])
        expected["edit"] = {"images": (edited + 1) / 2}
    if "encode" in contract.capabilities:
        parameters = model.encode(shown)
        expected["encode"] = contract.latent_spec.outputs(parameters) | {"parameters": parameters}
    if "reconstruct" in contract.capabilities:
        expected["reconstruct"] = {RECONSTRUCTIONS: (model.reconstruct(shown) + 1) / 2}
    if "log_likelihood" in contract.capabilities:
        noise = [given["noise"]] * bool(contract.likelihood_noise.size)
        expected["log_likelihood"] = {LOG_LIKELIHOOD.name: model.log_likelihoods(shown, *noise)}
    if "classify" in contract.capabilities:
        probabilities = model.classify(shown)
        expected["classify"] = {
            CLASS.name: probabilities.argmax(axis=-1),
            CLASS_PROBABILITIES: probabilities,
        }
    return expected


def _as_float(contract, route, outputs):
    """Returns outputs with images as float32 (batch, height, width, channels) in [0, 1]."""
    if route.graph.outputs == (PNG,):
        pictures = [np.asarray(Image.open(io.BytesIO(data))) for data in outputs[PNG.name]]
        return {"images": np.stack(pictures).reshape(-1, *contract.image_shape) / np.float32(255)}
    if route.file.endswith(".onnx"):
        return {
            name: contract.from_onnx_images(array) if name in ("images", RECONSTRUCTIONS) else array
            for name, array in outputs.items()
        }
    return outputs


def _difference(name, array, expected, num_pixels):
    """Returns how far each number of an output is from what was expected, infinitely
    where it is NaN.

    Parameters above 1, and likelihoods above a nat per pixel, are compared by their ratio, lesser
    likelihoods per pixel. A category that is not the expected one counts as 1, unless both are as
    likely.
    """
    if array.dtype == np.int64:
        probabilities = expected[f"{name}_probabilities"]
        rows = np.arange(len(array))
        likelier = (
            probabilities.max(axis=-1)
            - probabilities[rows, np.clip(array, 0, probabilities.shape[1] - 1)]
            > EXPORTED["encode"].tolerance
        )
        return (
            (array != expected[name]) & (likelier | (array < 0) | (array >= probabilities.shape[1]))
        ).astype(np.float32)
    # A likelihood is a sum over pixels, of either sign: it is rounded as its terms are, also
    # where they cancel.
    unit = {"parameters": 1, LOG_LIKELIHOOD.name: num_pixels}.get(name)
    scale = np.maximum(np.abs(expected[name]), unit) if unit else 1
    return np.nan_to_num(np.abs(array - expected[name]) / scale, nan=np.inf)


def _compare(contract, route, start, latents, outputs, expected):
    """Updates a route's worst difference with that of one batch, which begins at latent `start`."""
    for name in expected:
        difference = _difference(name, outputs[name], expected, int(np.prod(contract.image_shape)))
        if contract.latent_spec.noise.picks_pixels and route.graph.capability == "generate":
            # NaN is no pixel that tipped: it is infinitely far off.
            off = difference.reshape(len(difference), -1).max(axis=1)
            tipped = (off > route.tolerance) & np.isfinite(off)
            route.tipped += int(tipped.sum())
            difference[tipped] = 0
        if difference.max() > route.worst:
            image, *place = (
                int(index) for index in np.unravel_index(difference.argmax(), difference.shape)
            )
            codes = ", ".join(
                f"{code} {values[image]:.3g}"
                for code, values in contract.latent_spec.values(latents).items()
                if values.ndim == 1  # of a vector one number says nothing
            )
            what = (
                "latent"
                if route.graph.capability in ("generate", "decode", "edit")
                else "the image of latent"
                if "generate" in contract.capabilities
                else "image"
            )
            route.worst, route.where = (
                float(difference.max()),
                f"in {name} {place} of {what} {start + image} ({codes or 'no codes'})",
            )
