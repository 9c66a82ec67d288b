"""Asks a server for images by the names of their codes: python -m keras_infogan.serving.client --contract=export --codes=digit=3,slant=0.7 --num=8

The server is TensorFlow Serving with an exported SavedModel, or keras_infogan.serving.local. From a program:

    from keras_infogan.serving.client import connect

    client = connect("http://localhost:8501", contract="export/generator.json")
    images = client.generate(digit=3, slant=0.7, seed=1, num=8)  # uint8 (8, height, width, channels)
    client.generate(digit={3: 0.5, 8: 0.5})                      # a blend
    client.encode(images)                                        # {"digit": array([3, 3, ...]), "digit_probabilities": ..., "slant": ...}

http:// and https:// addresses need neither TensorFlow nor Keras; grpc://localhost:8500 needs tensorflow-serving-api, which loads TensorFlow.
"""

import dataclasses
import io
import logging
import pathlib
import re
import time

import numpy as np
from absl import flags
from PIL import Image

from keras_infogan import config, contract, images, runs
from keras_infogan.config import UserError, did_you_mean
from keras_infogan.latents import NUM_SEEDS, Bernoulli, Categorical, LatentSpec, Noise, Uniform
from keras_infogan.serving.transports import Grpc, Rest

FLAGS = flags.FLAGS
_LONGEST_TIMEOUT = 86_400  # seconds
_BATCH_SIZE = 64  # images asked for in one request at most; a size that TensorFlow Serving has warmed up


@dataclasses.dataclass(frozen=True)
class Offer:
    """What a served model offers.

    Attributes:
      model: its name.
      latents: LatentSpec, its codes under their exported names.
      image_shape: (height, width, channels).
    """

    model: str
    latents: LatentSpec
    image_shape: tuple


def read_contract(path):
    """Returns the Offer in a generator.json, or in the directory that holds one.

    Raises:
      UserError: if it cannot be read.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise UserError(f"{path} is not there; give the generator.json of an export, or its directory.")
    _, agreed = contract.read(path / "generator.json" if path.is_dir() else path)
    return Offer(agreed.name, agreed.latents, tuple(agreed.run.image_shape))


def read_metadata(model, metadata):
    """Returns the Offer in what a server answers to a question for metadata (its JSON, `metadata`).

    A server knows names and shapes and not priors: a continuous code that is not given is then drawn from U(-1, 1), a bit with probability 1/2.

    Raises:
      UserError: if it is not that of a model of keras_infogan.export.
    """
    try:
        signatures = metadata["metadata"]["signature_def"]["signature_def"]
        inputs, answers = signatures["serving_default"]["inputs"], signatures["encode"]["outputs"]
        weights = signatures.get("blend", {"inputs": {}})["inputs"]
        codes = []
        for name in sorted(inputs.keys() - {"noise"}):
            if inputs[name]["dtype"] == "DT_FLOAT":
                codes.append(Uniform(name))
            elif name in weights and not _shape(weights[name]):
                codes.append(Bernoulli(name))
            else:
                codes.append(Categorical(name, *_shape(answers[f"{name}_probabilities"])))
        noise = Noise(*_shape(inputs["noise"])) if "noise" in inputs else Noise(0)
        return Offer(model, LatentSpec(noise, tuple(codes)), tuple(_shape(signatures["encode"]["inputs"]["images"])))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"the server's model {model} is not one of keras_infogan.export ({error!r}); give another model.") from None


def _shape(tensor):
    """Returns the shape of one image's part of a tensor that metadata describe."""
    return [int(dimension["size"]) for dimension in tensor["tensor_shape"]["dim"]][1:]


def connect(url="http://localhost:8501", contract=None, model=None, label=None, timeout=10.0, retries=3):
    """Returns a Client of a server.

    Args:
      url: http://host:port, https://host:port, or grpc://host:port.
      contract: generator.json or its directory, or the Offer of another Client; without it the server is asked, which takes `model`.
      model: the model's name on the server, if another than the contract's.
      label: which of the model's versions, by a label that the server gave it, such as "stable"; without one the server takes its newest.
      timeout: seconds after which a server that says nothing is given up, and within which an answer must arrive once it has begun; of each try.
      retries: how often a request is sent again, after 0.2 s and then twice as long each time, that met a server that is not there, hung up, or said that
        it is busy (429, 502, 503, 504). One that timed out is not: it would give a slow server more to do.

    Raises:
      UserError: if the arguments make no sense, or the server has to be asked and does not answer.
    """
    match = re.fullmatch(r"(http|https|grpc)://([^/\s?#]+(?:/[^\s?#]*)?)", str(url))
    if not match:
        raise UserError(f"--url={url} is no address; write it like http://localhost:8501 or grpc://localhost:8500.")
    if not 0.01 <= timeout <= _LONGEST_TIMEOUT:
        raise UserError(f"--timeout: expected seconds from 0.01 to {_LONGEST_TIMEOUT:,}, received {timeout}.")
    if not contract and not model:
        raise UserError("which model? Give its --contract, the generator.json of its export, or its name, --model.")
    offer = contract if isinstance(contract, Offer) or not contract else read_contract(contract)
    name = model or offer.model
    for flag, text in (("model", name), ("label", label or "_")):
        if not re.fullmatch(r"[\w.-]+", text):
            raise UserError(f"--{flag}={text!r} is no name that a server can have; use letters, digits, dots, hyphens and underscores.")
    server = (match[2] if match[1] == "grpc" else match[0]).rstrip("/")
    transport = (Grpc if match[1] == "grpc" else Rest)(server, name, label, timeout, retries)
    return Client(transport, offer or read_metadata(name, transport.metadata()))


class Client:
    """Generates and encodes images on a server.

    Attributes:
      offer: Offer, what the server's model takes.
      transport: Rest or Grpc, the connection.
    """

    def __init__(self, transport, offer):
        self.offer, self.transport = offer, transport

    def generate(self, codes=None, /, *, seed=0, num=1, **more_codes):
        """Returns images, uint8 (num, height, width, channels).

        Args:
          codes, more_codes: per code one value for all images, or a sequence of `num`. A category is an index, or a dict from category to weight, to blend;
            a bit is 0 or 1, or a number between; any other code is a number. Codes called seed or num go into the dict `codes`.
          seed: of the first image's noise, and of the codes that are not given, which are drawn from their priors; image i has the noise of seed + i.
          num: number of images.

        Raises:
          UserError: if an argument is not what the model takes (nothing is sent then), or the server does not deliver.
        """
        if not _is_integer(num) or not 1 <= num <= 1_000_000:
            raise UserError(f"num: expected a number of images from 1 to 1,000,000, received {num!r}.")
        if not _is_integer(seed) or not 0 <= seed <= NUM_SEEDS - num:
            raise UserError(f"seed: expected an integer from 0 to {NUM_SEEDS - num} for {num} images, received {seed!r}.")
        values, blended = self._values({**(codes or {}), **more_codes}, num, seed)
        seeds = np.arange(seed, seed + num, dtype=np.int64)
        parts = []
        for start in range(0, num, _BATCH_SIZE):
            rows = slice(start, start + _BATCH_SIZE)
            inputs = {name: array[rows] for name, array in values.items()}
            if blended:
                inputs |= {"noise": self.offer.latents.noise.from_seeds(seeds[rows])} if self.offer.latents.noise.size else {}
                shown = self._predict("blend", inputs, "images", len(seeds[rows]), self.offer.image_shape)
                if not np.isfinite(shown).all():
                    raise UserError("the server's images hold what is no number; ask for codes nearer to the range that they were trained on.")
                parts.append(np.round(np.clip(shown, 0, 1) * 255).astype(np.uint8))
            else:
                files = self._predict("png", inputs | {"seed": seeds[rows]}, contract.PNG.name, len(seeds[rows]))
                parts.append(np.stack([self._decode(file) for file in files]))
        return np.concatenate(parts)

    def encode(self, images):
        """Returns what the recognizer says of images, a dict of arrays: per code its value, and probabilities or the standard deviation.

        Args:
          images: uint8, or float in [0, 1], (count, height, width, channels).

        Raises:
          UserError: as `generate`.
        """
        images = np.asarray(images)
        images = images / np.float32(255) if images.dtype == np.uint8 else images.astype(np.float32)
        if images.shape != (len(images), *self.offer.image_shape) or not len(images):
            raise UserError(f"images: expected the shape (count, {', '.join(map(str, self.offer.image_shape))}), received {images.shape}.")
        if not np.all((images >= 0) & (images <= 1)):
            raise UserError("images: expected numbers from 0 to 1, or uint8.")
        parts = [images[start : start + _BATCH_SIZE] for start in range(0, len(images), _BATCH_SIZE)]
        answers = [self._answers(self.transport.predict("encode", {"images": part}), len(part)) for part in parts]
        return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}

    def _answers(self, outputs, count):
        """Returns what a recognizer's answer on `count` images holds by the names that the contract gives it, in the types that it should have."""
        tensors = contract.answers(self.offer.latents)
        try:
            return {tensor.name: np.asarray(checked_output(outputs, tensor.name, count, tensor.shape), tensor.type) for tensor in tensors}
        except (TypeError, ValueError):
            raise UserError("the server's answer holds what are no numbers; is its model that of this contract?") from None

    def _values(self, given, num, seed):
        """Returns the inputs for all codes, arrays by name, and whether they are those of the signature "blend"."""
        spec = self.offer.latents
        known = {code.name: code for code in spec.codes}
        for name in given:
            if name not in known:
                raise UserError(f"there is no code {name!r}{did_you_mean(name, known)}; the codes are {', '.join(known)}.")
        drawn = spec.values(spec.sample(num, seed))
        values = {name: _checked(code, given.get(name, drawn[name]), num) for name, code in known.items()}
        blended = any(array.dtype != np.int64 for name, array in values.items() if not known[name].continuous)
        return ({name: _weights(known[name], array) for name, array in values.items()} if blended else values), blended

    def _predict(self, signature, inputs, output, count, shape=None):
        return checked_output(self.transport.predict(signature, inputs), output, count, shape)

    def _decode(self, file):
        try:
            image = Image.open(io.BytesIO(file), formats=("PNG",))
            shape = (image.height, image.width, len(image.getbands()))
            if shape != self.offer.image_shape:  # before its pixels are read: they may be many
                raise UserError(f"the server's image is {shape}, and {self.offer.image_shape} was expected; is its model that of this contract?")
            return np.asarray(image, np.uint8).reshape(shape)
        except (OSError, ValueError, SyntaxError, TypeError, Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise UserError("the server's answer is no PNG image; is its model that of this contract?") from None


def checked_output(outputs, name, count, shape=None):
    """Returns the output `name` of a transport's answer, having checked that it has `count` entries, of a shape if one is given; raises UserError."""
    output = outputs.get(name)
    if output is None or np.shape(output)[:1] != (count,) or (shape is not None and np.shape(output) != (count, *shape)):
        wanted = f"{count} of {name}" + (f", each {shape}" if shape else "")
        raise UserError(f"the server's answer is not what was asked for, {wanted}; is its model that of this contract?")
    return output


def _is_integer(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _checked(code, value, num):
    """Returns a code's values, int64 (num,) or float32 (num,), or weights, float32 (num, categories)."""
    if isinstance(value, dict):
        return np.tile(_blend(code, value), (num, 1))
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{code.name}: expected a number or {num} of them, received {value!r}.") from None
    if array.shape not in ((), (num,)):
        raise UserError(f"{code.name}: expected one value or {num}, received the shape {array.shape}.")
    array = np.broadcast_to(array, num)
    if code.continuous:
        if not np.all(np.abs(array) <= contract.LARGEST):
            raise UserError(f"{code.name}: expected finite numbers, received {value!r}.")
        return array.astype(np.float32)
    last = max(code.size, 2) - 1
    if not np.all((array >= 0) & (array <= last)):
        raise UserError(f"{code.name}: expected a number from 0 to {last}, received {value!r}.")
    if np.all(array == np.round(array)):
        return array.astype(np.int64)
    if code.kind == "categorical":
        raise UserError(f"{code.name}: expected an integer from 0 to {last}, received {value!r}; to blend give weights, like {{0: 0.5, {last}: 0.5}}.")
    return array.astype(np.float32)


def _blend(code, weights_of_categories):
    """Returns weights, float32 (categories,)."""
    if code.kind != "categorical":
        raise UserError(f"{code.name}: expected a number, received weights; only categories are blended.")
    weights = np.zeros(code.num_categories, np.float32)
    for category, weight in weights_of_categories.items():
        if not _is_integer(category) or not 0 <= category < code.num_categories or not isinstance(weight, (int, float, np.number)):
            raise UserError(f"{code.name}: expected a category from 0 to {code.num_categories - 1} and its weight, received {category!r}: {weight!r}.")
        weights[category] = weight
    if not (weights.min() >= 0 and weights.max() <= 1 and abs(weights.sum() - 1) <= contract.SUM_TOLERANCE):
        raise UserError(f"{code.name}: expected weights of at least 0 that sum to 1, received {weights_of_categories!r}.")
    return weights


def _weights(code, array):
    """Returns what the signature "blend" takes for a code, from its values."""
    if array.dtype == np.int64 and code.kind == "categorical":
        return np.eye(code.num_categories, dtype=np.float32)[array]
    return array.astype(np.float32)


def parse_codes(text):
    """Returns a dict of codes from text such as "digit=3,slant=0.7"; a blend is written digit=3:0.5+7:0.5.

    Raises:
      UserError: with the part that could not be read.
    """
    codes = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name in codes:
            raise UserError(f"--codes names {name!r} twice; give each code once.")
        try:
            if ":" in value:
                codes[name] = {int(category): float(weight) for category, weight in (piece.split(":") for piece in value.split("+"))}
            else:
                codes[name] = float(value)
        except ValueError:
            raise UserError(f"--codes: cannot read {part!r}; write it like digit=3,slant=0.7, a blend like digit=3:0.5+7:0.5.") from None
    return codes


def define_connection_flags():
    """Defines the flags that say which server and which model."""
    flags.DEFINE_string("url", "http://localhost:8501", "the server: http://, https:// or grpc:// with host and port.")
    flags.DEFINE_string("contract", None, "generator.json, or the directory of the export; without it the server is asked about --model.")
    flags.DEFINE_string("model", None, "name of the model on the server; default: the contract's.")
    flags.DEFINE_string("label", None, "which version, by its label on the server, such as stable; default: the newest.")
    flags.DEFINE_float("timeout", 10.0, "seconds to wait for an answer, and for all of it once it has begun.")


def connect_as_flags_say(offer=None, retries=3):
    """Returns a Client; with the Offer of another one neither the contract is read nor the server asked again."""
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # a retry that fails is told by the sentence that ends the command
    return connect(FLAGS.url, offer or config.user_path(FLAGS.contract), FLAGS.model, FLAGS.label, FLAGS.timeout, retries)


def define_flags():
    define_connection_flags()
    flags.DEFINE_string("codes", "", "codes by name: digit=3,slant=0.7; a blend: digit=3:0.5+7:0.5. What is not given is drawn from its prior.")
    flags.DEFINE_integer("seed", 0, "seed of the first image; the next ones have the next seeds.", lower_bound=0)
    flags.DEFINE_integer("num", 10, "number of images.", lower_bound=1, upper_bound=10_000)
    flags.DEFINE_string("output", "images.png", "the picture to write, ten images to a row.")


def main():
    codes, output = parse_codes(FLAGS.codes), pathlib.Path(config.user_path(FLAGS.output))
    if not output.parent.is_dir():
        raise UserError(f"the directory of --output={FLAGS.output} does not exist; create it first.")
    client = connect_as_flags_say()
    start = time.perf_counter()
    generated = client.generate(codes, seed=FLAGS.seed, num=FLAGS.num)
    seconds = time.perf_counter() - start
    picture = io.BytesIO()
    images.grid(generated / np.float32(127.5) - 1, min(FLAGS.num, 10)).save(picture, "PNG")
    runs.write_atomically(output, picture.getvalue())
    print(f"{FLAGS.num} images in {seconds:.2f} seconds: {output}")
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
