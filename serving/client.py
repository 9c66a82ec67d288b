"""Asks a server for images by the names of their codes:

    python -m keras_infogan.serving.client --export_dir=export --codes=digit=3,slant=0.7 --num=8

The server is TensorFlow Serving with an exported SavedModel, or
keras_infogan.serving.local. From a program:

    from keras_infogan.serving.client import connect

    client = connect("http://localhost:8501", contract="export/generator.json")
    images = client.generate(digit=3, slant=0.7, seed=1, num=8)  # uint8 (8, height, width, 1 or 3)
    client.generate(digit={3: 0.5, 8: 0.5})                      # a blend
    client.encode(images)  # {"digit": array([3, 3, ...]), "digit_probabilities": ..., "slant": ...}

http:// and https:// addresses need neither TensorFlow nor Keras; grpc://localhost:8500 needs
tensorflow-serving-api, which loads TensorFlow.
"""

import dataclasses
import io
import logging
import math
import pathlib
import re
import sys
import time

import numpy as np
from absl import flags
from PIL import Image

from keras_infogan import config, contract, files, images, named
from keras_infogan.codes import Bernoulli, Categorical, Uniform, Vector
from keras_infogan.config import UserError
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.serving import exported
from keras_infogan.serving.transports import Grpc, Rest
from keras_infogan.units import UNIT_GAIN, Units
from keras_infogan.untrusted import printable

FLAGS = flags.FLAGS
_LONGEST_TIMEOUT = 86_400  # seconds
# Images asked for in one request at most; a size that TensorFlow Serving has warmed up.
_BATCH_SIZE = 64
# Of an answer: what a number may take in JSON, and what is not of a single image.
_NUMBER_BYTES, _FRAME_BYTES = 32, 2**16
# Of an image, or of its latents, as a server may describe them.
_MOST_NUMBERS = 2**24


@dataclasses.dataclass(frozen=True)
class Offer:
    """What a served model offers.

    Attributes:
      model: its name.
      title: of the model, for people.
      latent_spec: LatentSpec, its codes under their exported names.
      image_shape: (height, width, channels).
      capabilities: names in `capabilities.CAPABILITIES`.
      classes: the names of what the model tells apart, or ().
      units: the Units that the model takes gains of, or None.
    """

    model: str
    title: str
    latent_spec: LatentSpec
    image_shape: tuple
    capabilities: tuple
    classes: tuple = ()
    units: Units | None = None

    def most_bytes(self, signature, count):
        """Returns how many bytes an answer about `count` images has at most, over REST, where it is
        longer than over gRPC.
        """
        # A PNG file is hardly larger than its pixels, and in base64 a third more.
        pixels = math.prod(self.image_shape)
        if signature == "png":
            return _FRAME_BYTES + count * (2 * pixels + 1024)
        numbers = pixels
        if signature == "encode":
            numbers = self.latent_spec.total_parameters + sum(
                math.prod(tensor.shape) for tensor in self.latent_spec.output_tensors
            )
        if signature == "classify":
            numbers = 1 + len(self.classes)
        return _FRAME_BYTES + count * _NUMBER_BYTES * numbers


def read_contract(path):
    """Returns the Offer in a generator.json, or in the directory that holds one.

    Raises:
      UserError: if it cannot be read.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise UserError(
            f"{path} is not there; give the generator.json of an export, or its directory."
        )
    if path.is_dir():
        agreed = exported.read_contract(path)
    else:
        exported.check_regular(path)
        _, agreed = contract.read(path)
    return Offer(
        agreed.name,
        agreed.title,
        agreed.latent_spec,
        agreed.image_shape,
        agreed.capabilities,
        agreed.classes,
        agreed.units,
    )


def read_metadata(model, metadata):
    """Returns the Offer in what a server answers to a question for metadata (its JSON, `metadata`).

    A server knows names and shapes and not priors: a continuous code that is not given is then
    drawn from U(-1, 1), a bit with probability 1/2.

    Raises:
      UserError: if it is not that of a model of keras_infogan.export.
    """
    try:
        signatures = metadata["metadata"]["signature_def"]["signature_def"]
        default = signatures["serving_default"]
        # A decoder of vectors gives images too, and is no generator: its vectors have no prior.
        decodes = "decode" in signatures
        generates = "images" in default["outputs"] and not decodes
        inputs = default["inputs"] if generates else {}
        answers, weights = (
            signatures.get(name, {}).get(side, {})
            for name, side in (("encode", "outputs"), ("blend", "inputs"))
        )
        codes = []
        vectors = signatures["decode"]["inputs"] if decodes else {}
        codes.extend(Vector(name, *_shape(vectors[name])) for name in sorted(vectors))
        for name in sorted(inputs.keys() - {"noise"}):
            if inputs[name]["dtype"] == "DT_FLOAT":
                codes.append(Uniform(name))
            elif name in weights and not _shape(weights[name]):
                codes.append(Bernoulli(name))
            else:
                (num_categories,) = _shape(
                    answers[f"{name}_probabilities"] if name not in weights else weights[name]
                )
                codes.append(Categorical(name, num_categories))
        (noise_size,) = _shape(inputs["noise"]) if "noise" in inputs else (0,)
        given = "outputs" if "images" in default["outputs"] else "inputs"
        shape = tuple(_shape(default[given]["images"]))
        # Which codes there are, only inputs of a generator or a decoder tell.
        can = ("generate",) * generates + tuple(
            name
            for name in ("decode", "encode", "reconstruct", "classify", "edit")
            if name in signatures and (generates or decodes or name != "encode")
        )
        (num_classes,) = (
            _shape(signatures["classify"]["outputs"][contract.CLASS_PROBABILITIES])
            if "classify" in can
            else (0,)
        )
        classes = tuple(map(str, range(num_classes)))
        units = None
        if "edit" in can:
            (num_units,) = _shape(signatures["edit"]["inputs"][UNIT_GAIN])
            units = Units("", (None,) * num_units)
        spec = LatentSpec(Noise(noise_size), tuple(codes))
        return Offer(model, model, spec, shape, can, classes, units)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(
            f"the server's model {model} is not one of keras_infogan.export ({error!r}); "
            "give another model."
        ) from None


def _shape(tensor):
    """Returns the shape of one image's part of a tensor that metadata describe."""
    shape = [int(dimension["size"]) for dimension in tensor["tensor_shape"]["dim"]][1:]
    if any(size < 1 for size in shape) or math.prod(shape) > _MOST_NUMBERS:
        raise ValueError(f"a shape of {shape[:4]}")
    return shape


def connect(
    url="http://localhost:8501", contract=None, model=None, label=None, timeout=10.0, retries=3
):
    """Returns a Client of a server.

    Args:
      url: http://host:port, https://host:port, or grpc://host:port.
      contract: generator.json or its directory, or the Offer of another Client; without it the
        server is asked, which takes `model`.
      model: the model's name on the server, if another than the contract's.
      label: which of the model's versions, by a label that the server gave it, such as "stable";
        without one the server takes its newest.
      timeout: seconds of each try, within which all of the answer must be there.
      retries: how often a request is sent again, after 0.2 s and then twice as long each time, that
        met a server that is not there, hung up, or said that it is busy (429, 502, 503, 504). One
        that timed out is not: it would give a slow server more to do.

    Raises:
      UserError: if the arguments make no sense, or the server has to be asked and does not answer.
    """
    if "@" in str(url):  # not shown: what stands before it may be a password
        raise UserError(
            "--url: expected an address without a user's name and password, which are never sent, "
            "received one with @; write it like http://localhost:8501."
        )
    match = re.fullmatch(r"(http|https|grpc)://([^/\s?#]+(?:/[^\s?#]*)?)", str(url))
    if not match:
        raise UserError(
            f"--url={url} is no address; write it like http://localhost:8501 or "
            "grpc://localhost:8500."
        )
    if not 0.01 <= timeout <= _LONGEST_TIMEOUT:
        raise UserError(
            f"--timeout: expected seconds from 0.01 to {_LONGEST_TIMEOUT:,}, received {timeout}."
        )
    offer = contract if isinstance(contract, Offer) or not contract else read_contract(contract)
    name = model or (offer and offer.model)
    if not name:
        raise UserError(
            "which model? Give its --export_dir, the directory of its export, or its name, --model."
        )
    for flag, text in (("model", name), ("label", label or "_")):
        if not re.fullmatch(r"[\w.-]+", text):
            raise UserError(
                f"--{flag}={text!r} is no name that a server can have; use letters, digits, dots, "
                "hyphens and underscores."
            )
    server = (match[2] if match[1] == "grpc" else match[0]).rstrip("/")
    transport = (Grpc if match[1] == "grpc" else Rest)(server, name, label, timeout, retries)
    return Client(transport, offer or read_metadata(name, transport.metadata()))


class Client(named.Named):
    """Generates and encodes images on a server; see `named.Named`.

    Attributes:
      offer: Offer, what the server's model takes.
      transport: Rest or Grpc, the connection.
    """

    def __init__(self, transport, offer):
        self.offer, self.transport = offer, transport
        self.title, self.latent_spec, self.image_shape, self.capabilities = (
            offer.title,
            offer.latent_spec,
            offer.image_shape,
            offer.capabilities,
        )
        self.classes, self.units = offer.classes, offer.units

    def _generate(self, inputs, seeds, blended, gains):
        parts = []
        for start in range(0, len(seeds), _BATCH_SIZE):
            rows = slice(start, start + _BATCH_SIZE)
            part = {name: array[rows] for name, array in inputs.items()}
            if blended or gains is not None:
                part |= (
                    {"noise": self.latent_spec.noise.from_seeds(seeds[rows])}
                    if self.latent_spec.noise.size
                    else {}
                )
                part |= {} if gains is None else {UNIT_GAIN: gains[rows]}
                signature = "blend" if blended else "edit"
                parts.append(
                    named.to_uint8(
                        self._predict(signature, part, "images", len(seeds[rows]), self.image_shape)
                    )
                )
            else:
                encoded = self._predict(
                    "png", part | {"seed": seeds[rows]}, contract.PNG.name, len(seeds[rows])
                )
                parts.append(np.stack([self._image_of(file) for file in encoded]))
        return np.concatenate(parts)

    def _encode(self, images):
        answers = [
            self._answers(self._ask("encode", {"images": part}, len(part)), len(part))
            for part in _parts(images)
        ]
        return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}

    def _reconstruct(self, images):
        parts = [
            self._predict(
                "reconstruct",
                {"images": part},
                contract.RECONSTRUCTIONS,
                len(part),
                self.image_shape,
            )
            for part in _parts(images)
        ]
        return named.to_uint8(np.concatenate(parts))

    def _decode(self, vectors):
        count, parts = len(next(iter(vectors.values()))), []
        for start in range(0, count, _BATCH_SIZE):
            part = {name: array[start : start + _BATCH_SIZE] for name, array in vectors.items()}
            size = min(_BATCH_SIZE, count - start)
            parts.append(self._predict("decode", part, "images", size, self.image_shape))
        return named.to_uint8(np.concatenate(parts))

    def _classify(self, images):
        parts = [
            self._predict(
                "classify",
                {"images": part},
                contract.CLASS_PROBABILITIES,
                len(part),
                (len(self.classes),),
            )
            for part in _parts(images)
        ]
        return _numbers(np.concatenate(parts), "float32")

    def _answers(self, outputs, count):
        """Returns what a recognizer's answer on `count` images holds by the names that the contract
        gives it, in the types that it should have.
        """
        return {
            tensor.name: _numbers(
                checked_output(outputs, tensor.name, count, tensor.shape), tensor.type
            )
            for tensor in self.latent_spec.output_tensors
        }

    def _predict(self, signature, inputs, output, count, shape=None):
        return checked_output(self._ask(signature, inputs, count), output, count, shape)

    def _ask(self, signature, inputs, count):
        return self.transport.predict(signature, inputs, self.offer.most_bytes(signature, count))

    def _image_of(self, file):
        try:
            image = Image.open(io.BytesIO(file), formats=("PNG",))
            shape = (image.height, image.width, len(image.getbands()))
            if shape != self.image_shape:  # before its pixels are read: they may be many
                raise UserError(
                    f"the server's image is {shape}, and {self.image_shape} was expected; is its "
                    "model that of this contract?"
                )
            return np.asarray(image, np.uint8).reshape(shape)
        except (
            OSError,
            ValueError,
            SyntaxError,
            TypeError,
            Image.DecompressionBombError,
            Image.DecompressionBombWarning,
        ):
            raise UserError(
                "the server's answer is no PNG image; is its model that of this contract?"
            ) from None


def _parts(images):
    return [images[start : start + _BATCH_SIZE] for start in range(0, len(images), _BATCH_SIZE)]


def _numbers(values, dtype):
    """Returns an array of a type, of what a server answered; raises UserError."""
    try:
        return np.asarray(values, dtype)
    except (TypeError, ValueError):
        raise UserError(
            "the server's answer holds what are no numbers; is its model that of this contract?"
        ) from None


def checked_output(outputs, name, count, shape=None):
    """Returns the output `name` of a transport's answer, having checked that it has `count`
    entries, of a shape if one is given; raises UserError.
    """
    output = outputs.get(name)
    if (
        output is None
        or np.shape(output)[:1] != (count,)
        or (shape is not None and np.shape(output) != (count, *shape))
    ):
        wanted = f"{count} of {name}" + (f", each {shape}" if shape else "")
        raise UserError(
            f"the server's answer is not what was asked for, {wanted}; "
            "is its model that of this contract?"
        )
    return output


def parse_codes(text):
    """Returns a dict of codes from text such as "digit=3,slant=0.7"; a blend is written
    digit=3:0.5+7:0.5.

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
                codes[name] = {
                    int(category): float(weight)
                    for category, weight in (piece.split(":") for piece in value.split("+"))
                }
            else:
                codes[name] = float(value)
        except ValueError:
            raise UserError(
                f"--codes: cannot read {part!r}; write it like digit=3,slant=0.7, a blend like "
                "digit=3:0.5+7:0.5."
            ) from None
    return codes


def define_connection_flags():
    """Defines the flags that say which server and which model."""
    flags.DEFINE_string(
        "url",
        "http://localhost:8501",
        "the server: http://, https:// or grpc:// with host and port.",
    )
    flags.DEFINE_string(
        "export_dir",
        None,
        "the directory of the export, or its generator.json; "
        "without it the server is asked about --model.",
    )
    config.rename_flag("contract", "export_dir")
    flags.DEFINE_string("model", None, "name of the model on the server; default: the export's.")
    flags.DEFINE_string(
        "label",
        None,
        "which version, by its label on the server, such as stable; default: the newest.",
    )
    flags.DEFINE_float("timeout", 10.0, "seconds within which all of an answer must be there.")


def connect_as_flags_say(offer=None, retries=3):
    """Returns a Client; with the Offer of another one neither the contract is read nor the
    server asked again.
    """
    # A retry that fails is told by the sentence that ends the command.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    return connect(
        FLAGS.url,
        offer or config.user_path(FLAGS.export_dir),
        FLAGS.model,
        FLAGS.label,
        FLAGS.timeout,
        retries,
    )


def define_flags():
    define_connection_flags()
    flags.DEFINE_string(
        "codes",
        "",
        "codes by name: digit=3,slant=0.7; a blend: digit=3:0.5+7:0.5. "
        "What is not given is drawn from its prior.",
    )
    flags.DEFINE_integer(
        "seed", 0, "seed of the first image; the next ones have the next seeds.", lower_bound=0
    )
    flags.DEFINE_integer("num", 10, "number of images.", lower_bound=1, upper_bound=10_000)
    flags.DEFINE_string("output", "images.png", "the picture to write, ten images to a row.")


def main():
    codes, output = parse_codes(FLAGS.codes), pathlib.Path(config.absolute_path(FLAGS.output))
    if not output.parent.is_dir():
        raise UserError(
            f"the directory of --output={FLAGS.output} does not exist; create it first."
        )
    if output.exists() and not output.is_file():
        raise UserError(
            f"--output={FLAGS.output} is a directory or device; give the name of a picture, "
            "such as images.png."
        )
    client = connect_as_flags_say()
    left_open = [
        code.name for code in client.latent_spec.codes if code.continuous and code.name not in codes
    ]
    if left_open and not FLAGS.export_dir:
        print(
            f"The server does not say which priors {printable(', '.join(left_open))} have: drawn "
            "from U(-1, 1); --export_dir knows.",
            file=sys.stderr,
        )
    start = time.perf_counter()
    generated = client.generate(codes, seed=FLAGS.seed, num=FLAGS.num)
    seconds = time.perf_counter() - start
    picture = io.BytesIO()
    images.grid(generated / np.float32(127.5) - 1, min(FLAGS.num, 10)).save(picture, "PNG")
    files.write_atomically(output, picture.getvalue())
    print(f"{FLAGS.num} images in {seconds:.2f} seconds: {printable(str(output))}")
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
