"""What an exported generator says about itself: its inputs and outputs by name, and where it comes from.

generator.json holds it, and every exported .onnx file carries it in its metadata, so that a program that has only the file knows its inputs. No TensorFlow.

Inputs and outputs are batch-first: an input of shape (62,) takes float32 (batch, 62), an input of shape () takes (batch,).
"""

import dataclasses
import json
import keyword

import numpy as np

from keras_infogan import __version__, alarms, datasets, runs
from keras_infogan.config import UserError
from keras_infogan.latents import NUM_SEEDS, operations

VERSION = 1
METADATA_KEY = "keras_infogan"
LARGEST = float(np.finfo(np.float32).max)
SUM_TOLERANCE = 1e-3  # of blending weights; images of other programs may round past 1 as far
CATEGORIES, IMAGE_TYPES, IMAGE_LAYOUTS = ("index", "weights"), ("float32", "uint8"), ("NHWC", "NCHW")


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A named input or output; `shape` is that of one image's part of the batch."""

    name: str
    type: str
    shape: tuple = ()


LATENT_SEED = Tensor("seed", "int64")
PNG = Tensor("image_bytes", "string")


@dataclasses.dataclass(frozen=True)
class Contract:
    """
    Attributes:
      run: the Run that was exported.
      latents: LatentSpec, its codes under the names that the export gave them.
      step: the training step that was exported.
      categories: how the ONNX generator takes discrete codes: "index", or "weights" over categories.
      image_type: type of images in the ONNX files: "float32", in [0, 1], or "uint8", 0 to 255.
      image_layout: "NHWC" or "NCHW", in the ONNX files.
    """

    run: runs.Run
    latents: object
    step: int
    categories: str = "index"
    image_type: str = "float32"
    image_layout: str = "NHWC"

    def __post_init__(self):
        others = [tensor.name for tensor in self.answers[:-1]] + ["parameters", "images", "latents", "noise", LATENT_SEED.name, PNG.name]
        taken = [name.lower() for name in others]  # TensorFlow does not tell names apart that differ in case only
        for trained, code in zip(self.run.config.latents.codes, self.latents.codes, strict=True):
            # The names of arguments, in Python.
            if taken.count(code.name.lower()) > 1 or keyword.iskeyword(code.name) or code.name == "self":
                raise UserError(
                    f"the name {code.name!r} cannot be that of an input: another input or output, or Python itself, needs it; "
                    f"give the code another one with --rename={trained.name}=NAME."
                )

    @property
    def name(self):
        """The model's name, under which TensorFlow Serving offers it."""
        return f"{self.run.dataset.replace('/', '_')}-{self.run.model}"

    @property
    def images(self):
        """Images of the SavedModel."""
        return Tensor("images", "float32", tuple(self.run.image_shape))

    @property
    def onnx_images(self):
        """Images of the ONNX files."""
        height, width, channels = self.run.image_shape
        return Tensor("images", self.image_type, (height, width, channels) if self.image_layout == "NHWC" else (channels, height, width))

    def inputs(self, categories, last="noise"):
        """Returns the inputs that generate an image: one per code, then "noise" or "seed"."""
        tensors = []
        for code in self.latents.codes:
            if code.continuous:
                tensors.append(Tensor(code.name, "float32"))
            elif categories == "index":
                tensors.append(Tensor(code.name, "int64"))
            else:
                tensors.append(Tensor(code.name, "float32", (code.num_categories,) if code.kind == "categorical" else ()))
        if last == "seed":
            return [*tensors, LATENT_SEED]
        return tensors + [Tensor("noise", "float32", (self.latents.noise.size,))] * bool(self.latents.noise.size)

    @property
    def answers(self):
        """What the recognizer gives for an image: what it says of the codes, and the parameters of Q."""
        return [*answers(self.latents), Tensor("parameters", "float32", (self.latents.total_parameters,))]

    def signatures(self):
        """Returns the SavedModel's signatures by name: (inputs, outputs)."""
        return {
            "serving_default": (self.inputs("index"), [self.images]),
            "from_seed": (self.inputs("index", "seed"), [self.images]),
            "blend": (self.inputs("weights"), [self.images]),
            "latents": ([Tensor("latents", "float32", (self.latents.size,))], [self.images]),
            "png": (self.inputs("index", "seed"), [PNG]),
            "encode": ([self.images], self.answers),
        }

    def onnx_graphs(self):
        """Returns what the ONNX files take and give: (inputs, outputs) of "generator" and "recognizer"."""
        return {"generator": (self.inputs(self.categories), [self.onnx_images]), "recognizer": ([self.onnx_images], self.answers)}

    def checks(self, inputs):
        """Says which inputs are valid.

        Args:
          inputs: named inputs of a signature or ONNX graph whose images are float32, of the right shapes and types: numpy arrays or tensors.

        Returns:
          A dict from name to (whether each image's is valid, bool (batch,); what is expected, text).
        """
        codes = {code.name: code for code in self.latents.codes}
        checks = {}
        for name, values in inputs.items():
            ops, axes = operations(values), tuple(range(1, len(values.shape)))
            if name == "seed":
                checks[name] = _within(values, 0, NUM_SEEDS - 1), f"an integer from 0 to {NUM_SEEDS - 1}"
            elif name == "images":
                checks[name] = ops.all(_within(values, -SUM_TOLERANCE, 1 + SUM_TOLERANCE), axis=axes), "numbers from 0 to 1"
            elif name in ("noise", "latents") or codes[name].continuous:
                valid = _within(values, -LARGEST, LARGEST)  # not is_finite, which ONNX lacks
                checks[name] = ops.all(valid, axis=axes) if axes else valid, "finite numbers"
            elif values.dtype.name == "int64":
                last = max(codes[name].size, 2) - 1
                checks[name] = _within(values, 0, last), f"an integer from 0 to {last}"
            elif axes:
                sums = _within(ops.sum(values, axis=1), 1 - SUM_TOLERANCE, 1 + SUM_TOLERANCE)
                checks[name] = sums & ops.all(_within(values, 0.0, 1.0), axis=1), "weights from 0 to 1 that sum to 1"
            else:
                checks[name] = _within(values, 0.0, 1.0), "a number from 0 to 1"
        return checks

    @property
    def example(self):
        """Values to ask for in examples, by code: within each range, away from its ends."""
        return {code.name: 0.5 if code.continuous else (code.size // 2 if code.kind == "categorical" else 1) for code in self.latents.codes}

    def feeds(self, graph, latents=None, seeds=None, images=None):
        """Returns named inputs, a dict of arrays, for one of `signatures` or `onnx_graphs`.

        Args:
          graph: name of it; "recognizer" and "encode" take images, the others what stands for latents.
          latents: latent vectors, numpy float32 (batch, latents.size).
          seeds: int64 (batch,), in place of the noise where a seed is taken.
          images: float32 (batch, height, width, channels) in [0, 1].
        """
        if graph == "recognizer":
            return {"images": self.to_onnx_images(images)}
        if graph == "encode":
            return {"images": images}
        given = {"latents": latents, "seed": seeds}
        parts, values = self.latents.unpack(latents), self.latents.values(latents)
        feeds = {}
        for tensor in (self.signatures() | self.onnx_graphs())[graph][0]:
            array = given.get(tensor.name, values.get(tensor.name) if tensor.type == "int64" else parts.get(tensor.name))
            feeds[tensor.name] = np.ascontiguousarray(array, tensor.type).reshape(-1, *tensor.shape)
        return feeds

    def to_onnx_images(self, images):
        """Returns float32 images (batch, height, width, channels) in [0, 1] in the type and layout of the ONNX files."""
        if self.image_layout == "NCHW":
            images = images.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(np.round(images * 255) if self.image_type == "uint8" else images, self.image_type)

    def from_onnx_images(self, images):
        """The inverse of `to_onnx_images`, up to rounding."""
        if self.image_layout == "NCHW":
            images = images.transpose(0, 2, 3, 1)
        return images.astype(np.float32) / 255 if self.image_type == "uint8" else images

    def to_json(self):
        """Returns the contract without what is measured of the files: what the .onnx files carry."""
        settings = self.run.to_json() | {"data_dir": None}  # where the data lay is no business of whoever gets the files
        known = datasets.DATASETS.get(self.run.dataset, datasets.OTHER_PREPARED)
        return {
            "contract": VERSION,
            "name": self.name,
            "keras_infogan": __version__,
            "run": settings,
            "step": self.step,
            "renamed": {old.name: new.name for old, new in zip(self.run.config.latents.codes, self.latents.codes, strict=True) if old.name != new.name},
            "dataset": {"name": self.run.dataset, "license": known.license},
            "inputs": [self._describe(code) for code in self.latents.codes] + self._describe_noise(),
            "images": {
                "shape": ["batch", *self.onnx_images.shape],
                "layout": self.image_layout,
                "type": self.image_type,
                "range": [0, 255] if self.image_type == "uint8" else [0, 1],
                "channels": {1: "gray", 3: "RGB"}.get(self.run.image_shape[-1], "as in training"),
                "saved_model": "NHWC float32 in [0, 1]",
            },
            "categories": self.categories,
            "signatures": {name: {"inputs": _listed(inputs), "outputs": _listed(outputs)} for name, (inputs, outputs) in self.signatures().items()},
            "onnx": {name: {"inputs": _listed(inputs), "outputs": _listed(outputs)} for name, (inputs, outputs) in self.onnx_graphs().items()},
            "invalid_inputs": _INVALID_INPUTS,
        }

    def _describe(self, code):
        trained_as = self.run.config.latents.codes[self.latents.codes.index(code)].name
        about = {"name": code.name, "trained_as": trained_as, "kind": code.kind}
        if code.kind == "categorical":
            weights = {"type": "float32", "shape": ["batch", code.num_categories], "range": [0, 1], "meaning": "the share of each category; they sum to 1"}
            about |= {"type": "int64", "shape": ["batch"], "range": [0, code.num_categories - 1], "weights": weights}
            return about | {"prior": f"each with probability 1/{code.num_categories}", "meaning": f"which of {code.num_categories} categories"}
        if code.kind == "bernoulli":
            weights = {"type": "float32", "shape": ["batch"], "range": [0, 1], "meaning": "between the two values"}
            about |= {"type": "int64", "shape": ["batch"], "range": [0, 1], "weights": weights}
            return about | {"prior": f"1 with probability {code.probability}", "meaning": "one of two values"}
        uniform = code.kind == "uniform"
        about |= {"type": "float32", "shape": ["batch"], "range": [-1, 1] if uniform else None, "prior": "U(-1, 1)" if uniform else "N(0, 1)"}
        return about | {"meaning": "how much of one property; any finite number is taken, and beyond what the prior draws the generator extrapolates"}

    def _describe_noise(self):
        noise = self.latents.noise
        uniform = noise.distribution == "uniform"
        described = {"name": "noise", "kind": "noise", "type": "float32", "shape": ["batch", noise.size], "range": [-1, 1] if uniform else None}
        described |= {"prior": "U(-1, 1), each number" if uniform else "N(0, 1), each number", "meaning": "everything that the codes leave open"}
        seed = {"name": "seed", "kind": "seed", "type": "int64", "shape": ["batch"], "range": [0, NUM_SEEDS - 1], "meaning": _SEED_MEANING}
        if noise.size:
            numbers = noise.from_seeds(np.array([1], np.int64))[0, :4]
            seed["example"] = {"seed": 1, "noise_begins_with": [round(float(number), 6) for number in numbers]}
        return [described, seed] if noise.size else [seed]


def answers(latents):
    """Returns what a recognizer says of the codes of a LatentSpec, Tensors: the value to hand to the generator, and probabilities or a standard deviation."""
    tensors = []
    for code in latents.codes:
        if code.continuous:
            tensors += [Tensor(code.name, "float32"), Tensor(f"{code.name}_std", "float32")]
        else:
            tensors += [Tensor(code.name, "int64"), Tensor(f"{code.name}_probabilities", "float32", (max(code.size, 2),))]
    return tensors


_SEED_MEANING = "stands for noise (keras_infogan.latents.Noise.from_seeds says how): the same noise for the same seed in the SavedModel and in keras_infogan"
# By what is wrong: what each format does.
_AS_A_CATEGORY = {"saved_model": "as a category out of its range", "onnx": "as a category out of its range"}
_INVALID_INPUTS = {
    "a category, bit or seed out of its range": {
        "saved_model": "InvalidArgument with a sentence that names the input; under batching by the server, for all requests of that batch",
        "onnx": "that image is NaN in every pixel (uint8: 0), the others are not touched; the recognizer's probabilities and means likewise, its categories -1",
    },
    "NaN or infinity": _AS_A_CATEGORY,
    "weights below 0, or whose sum is off 1 by more than 0.001": _AS_A_CATEGORY,
    "images outside [0, 1] by more than 0.001, for the recognizer": {
        "saved_model": "as a category out of its range",
        "onnx": "as a category out of its range; uint8 images cannot be",
    },
    "numbers beyond what half precision holds (65,504)": {"saved_model": "extrapolates", "onnx": "extrapolates; in generator_fp16.onnx that image is NaN"},
    "a wrong shape, type or name; batches of different sizes": {"saved_model": "an error; nothing is computed", "onnx": "an error; nothing is computed"},
    "an empty batch": {"saved_model": "an empty batch of images; encode gives an error", "onnx": "an empty batch"},
}


def _within(values, low, high):
    return (values >= low) & (values <= high)


def _listed(tensors):
    return {tensor.name: {"type": tensor.type, "shape": ["batch", *tensor.shape]} for tensor in tensors}


def from_json(directory, content):
    """Returns the Contract that `Contract.to_json` wrote.

    Raises:
      UserError: if a newer version wrote it.
      ValueError, KeyError, TypeError: if it is damaged.
    """
    if int(content["contract"]) > VERSION:
        raise UserError(f"{directory} was exported by a newer keras-infogan (contract {content['contract']}, this one reads up to {VERSION}); update it.")
    run = runs.from_json(directory, content["run"])
    images = content["images"]
    latents = run.config.latents.renamed(content["renamed"])
    return Contract(run, latents, int(content["step"]), content["categories"], images["type"], images["layout"])


def read(path):
    """Returns the content of generator.json, a dict, and the Contract in it.

    Raises:
      UserError: if it is not there, is damaged, or a newer version wrote it.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content, from_json(path.parent, content)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path.parent} is not an export: {_missing(path)}.") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error!r}); export again.") from None


def _missing(path):
    """Returns why a contract is not there, and what to do, in words."""
    directory = path.parent
    if not directory.is_dir():
        return "there is no such directory; give the one that keras_infogan.export wrote"
    if (directory / "export" / path.name).exists():
        return f"it has no {path.name}; {directory / 'export'} has"
    if (directory / "web" / path.name).exists():
        return "it has the explorer only; export with --formats=saved_model,onnx too"
    return f"it has no {path.name}; give the directory that keras_infogan.export wrote"


def evaluation(contract, metrics):
    """Returns what generator.json says of the run's scores: the content of metrics.json, or None, made small, with codes under their exported names."""
    if metrics is None:
        return None
    renamed = {old.name: new.name for old, new in zip(contract.run.config.latents.codes, contract.latents.codes, strict=True)}
    parts = {}
    for key in metrics["scores"]:
        score, _, part = key.partition("/")
        parts.setdefault(score, set()).add(part)
    per_code = {score for score, found in parts.items() if found <= {*renamed, "noise"}}  # others have parts of other names

    def under_new_name(key):
        score, slash, part = key.partition("/")
        return score + slash + (renamed.get(part, part) if score in per_code else part)

    scores = {under_new_name(key): value for key, value in metrics["scores"].items()}
    details = {kind: {renamed.get(name, name): value for name, value in found.items()} for kind, found in metrics["details"].items()}
    said = alarms.alarms(scores, contract.latents.codes, details.get("category_shares", {}), metrics["skipped"].values())
    return {
        "step": metrics["evaluated"]["step"],
        "scores": scores,
        "labels_of_categories": {name: confusion["matches"] for name, confusion in details.get("confusion", {}).items()},
        "alarms": said + [alarm for alarm in metrics["alarms"] if alarm.startswith("The run is unfinished")],
    }
