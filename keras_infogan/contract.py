"""What exported files say about themselves: inputs and outputs by name, and where they come from.

generator.json holds it, and every exported .onnx file carries it in its metadata, so that a program
that has only the file knows its inputs. It stands alone: who reads it needs no settings, no data
set and no TensorFlow, and a key that is not known is ignored.

Inputs and outputs are batch-first: an input of shape (62,) takes float32 (batch, 62), an input of
shape () takes (batch,).
"""

import dataclasses
import keyword

import numpy as np

from keras_infogan import __version__
from keras_infogan.codes import GRAY_TOLERANCE, SUM_TOLERANCE, Tensor, operations, within
from keras_infogan.config import UserError
from keras_infogan.framing import CROPPED, Framing, of_dataset
from keras_infogan.latents import SEED, LatentSpec, Noise
from keras_infogan.units import UNIT_GAIN, Units, valid_gains
from keras_infogan.untrusted import parse_json

# 2: stands alone. Of contract 1 the codes' posterior stood in the run's settings;
# such exports load.
VERSION = 2
METADATA_KEY = "keras_infogan"
CATEGORIES, IMAGE_TYPES, IMAGE_LAYOUTS = (
    ("index", "weights"),
    ("float32", "uint8"),
    ("NHWC", "NCHW"),
)
PNG = Tensor("image_bytes", "string")
LOG_LIKELIHOOD = Tensor("log_likelihood", "float32")
CLASS, CLASS_PROBABILITIES = Tensor("class", "int64"), "class_probabilities"
# Not "images": in an ONNX graph no output has the name of an input.
RECONSTRUCTIONS = "reconstructions"
# By capability: the ONNX file that computes it.
ONNX_FILES = {
    "generate": "generator",
    "decode": "decoder",
    "encode": "recognizer",
    "reconstruct": "reconstructor",
    "log_likelihood": "scorer",
    "classify": "classifier",
    "edit": "editor",
}


@dataclasses.dataclass(frozen=True)
class Graph:
    """A signature of the SavedModel, or an ONNX file.

    Attributes:
      capability: what it computes, a name in `capabilities.CAPABILITIES`.
      inputs, outputs: tuples of Tensors.
    """

    capability: str
    inputs: tuple
    outputs: tuple


@dataclasses.dataclass(frozen=True)
class Contract:
    """
    Attributes:
      model: name in models.MODELS of what was trained.
      title: the model's name for people.
      paper: its source.
      reads: what training took of the data: "image", and "label" if it learned from labels.
      dataset, license: of the images that it was trained on.
      fingerprint: tells a user's own images from others, or None.
      image_shape: (height, width, channels).
      settings: dict, for people to read.
      latent_spec: LatentSpec, its codes under the names that the export gave them.
      trained_as: the names that the codes were trained under, in order.
      step: the training step that was exported.
      capabilities: what the files compute.
      likelihood: of a model with log_likelihood what its nats are, {"meaning": a text, "exact": or
        a bound, "binary": whether pixels are, "noise_size": numbers that each estimate draws, ...};
        None otherwise. See `capabilities`.
      classes: of a model with classify the classes' names, in order; () otherwise.
      units: of a model with edit the Units that it takes gains of; None otherwise.
      categories: how the ONNX generator takes discrete codes: "index", or "weights"
        over categories.
      image_type: type of images in the ONNX files: "float32", in [0, 1], or "uint8", 0 to 255.
      image_layout: "NHWC" or "NCHW", in the ONNX files.
      framing: Framing that made its images of pictures.
    """

    model: str
    title: str
    paper: str
    reads: tuple
    dataset: str
    license: str
    fingerprint: str | None
    image_shape: tuple
    settings: dict
    latent_spec: LatentSpec
    trained_as: tuple
    step: int
    capabilities: tuple
    likelihood: dict | None = None
    classes: tuple = ()
    units: Units | None = None
    categories: str = "index"
    image_type: str = "float32"
    image_layout: str = "NHWC"
    framing: Framing = CROPPED

    def check_names(self):
        """Raises UserError unless every code has a name that an input can have; asked of what is to
        be exported, not of what was.
        """
        # TensorFlow does not tell names apart that differ in case only.
        taken = [name.lower() for name in self.taken_names]
        for trained, code in zip(self.trained_as, self.latent_spec.codes, strict=True):
            # The names of arguments, in Python.
            if (
                taken.count(code.name.lower()) > 1
                or keyword.iskeyword(code.name)
                or code.name == "self"
            ):
                raise UserError(
                    f"the name {code.name!r} cannot be that of an input: another input or output, "
                    "or Python itself, needs it; give the code another one with "
                    f"--rename={trained}=NAME."
                )

    @property
    def name(self):
        """The model's name, under which TensorFlow Serving offers it."""
        return f"{self.dataset.replace('/', '_')}-{self.model}"

    @property
    def taken_names(self):
        """Every name of an input or output, the codes' own included."""
        others = {
            "reconstruct": RECONSTRUCTIONS,
            "log_likelihood": LOG_LIKELIHOOD.name,
            "classify": CLASS.name,
            "edit": UNIT_GAIN,
        }
        unused = {
            name for capability, name in others.items() if capability not in self.capabilities
        }
        return [tensor.name for tensor in self.latent_spec.output_tensors] + [
            name for name in _TAKEN if name not in unused
        ]

    @property
    def images(self):
        """Images of the SavedModel."""
        return Tensor("images", "float32", tuple(self.image_shape))

    @property
    def onnx_images(self):
        """Images of the ONNX files."""
        height, width, channels = self.image_shape
        return Tensor(
            "images",
            self.image_type,
            (height, width, channels) if self.image_layout == "NHWC" else (channels, height, width),
        )

    @property
    def answers(self):
        """What the recognizer gives for an image: what it says of the codes, and the
        parameters of Q.
        """
        return (
            *self.latent_spec.output_tensors,
            Tensor("parameters", "float32", (self.latent_spec.total_parameters,)),
        )

    @property
    def classification(self):
        """What the classifier gives for an image: the likeliest class, and the probability of
        each.
        """
        return CLASS, Tensor(CLASS_PROBABILITIES, "float32", (len(self.classes),))

    @property
    def blends(self):
        """Whether some code has values to blend."""
        return any(code.continuous is False for code in self.latent_spec.codes)

    def signatures(self):
        """Returns the SavedModel's signatures, a dict from name to Graph."""
        spec, images = self.latent_spec, (self.images,)
        by_name = tuple(spec.inputs("index"))
        by_seed = tuple(spec.inputs("index", "seed"))
        found = {
            "serving_default": Graph("generate", by_name, images),
            "from_seed": Graph("generate", by_seed, images),
            "blend": Graph("generate", tuple(spec.inputs("weights")), images),
            "latents": Graph("generate", (Tensor("latents", "float32", (spec.size,)),), images),
            "png": Graph("generate", by_seed, (PNG,)),
            "decode": Graph("decode", by_name, images),
            "encode": Graph("encode", images, self.answers),
            "reconstruct": Graph("reconstruct", images, (_reconstructed(self.images),)),
            "log_likelihood": Graph("log_likelihood", (*images, *self._scored), (LOG_LIKELIHOOD,)),
            "classify": Graph("classify", images, self.classification),
            "edit": Graph("edit", (*by_name, *self._gains), images),
        }
        offered = {
            name: graph
            for name, graph in found.items()
            if graph.capability in self.capabilities and (name != "blend" or self.blends)
        }
        if offered and "serving_default" not in offered:
            # Of a model that generates nothing: what it can do first.
            offered = {"serving_default": next(iter(offered.values()))} | offered
        return offered

    def onnx_graphs(self):
        """Returns what the ONNX files take and give, a dict from a file's name without its
        ending to Graph.
        """
        images, latents = (self.onnx_images,), tuple(self.latent_spec.inputs(self.categories))
        found = {
            "generate": Graph("generate", latents, images),
            "decode": Graph("decode", latents, images),
            "encode": Graph("encode", images, self.answers),
            "reconstruct": Graph("reconstruct", images, (_reconstructed(self.onnx_images),)),
            "log_likelihood": Graph("log_likelihood", (*images, *self._scored), (LOG_LIKELIHOOD,)),
            "classify": Graph("classify", images, self.classification),
            "edit": Graph("edit", (*latents, *self._gains), images),
        }
        return {
            ONNX_FILES[capability]: found[capability]
            for capability in found
            if capability in self.capabilities
        }

    @property
    def likelihood_noise(self):
        """The Noise that an estimate of the likelihood draws."""
        return Noise(self.likelihood["noise_size"] if self.likelihood else 0, "normal")

    @property
    def _scored(self):
        noise = self.likelihood_noise
        return (noise.tensor,) if noise.size else ()

    @property
    def _gains(self):
        return (self.units.gain,) if self.units else ()

    def checks(self, inputs, capability):
        """Says which inputs are valid.

        Args:
          inputs: named inputs of a signature or ONNX graph whose images are float32, of the right
            shapes and types: numpy arrays or tensors.
          capability: what that computes.

        Returns:
          A dict from name to (whether each image's is valid, bool (batch,); what is
          expected, text).
        """
        edits = capability == "edit"  # elsewhere a code may be called as the gains are
        apart = ("images", UNIT_GAIN) if edits else ("images",)
        others = {name: values for name, values in inputs.items() if name not in apart}
        checks = self.latent_spec.checks(others)
        if edits:
            checks[UNIT_GAIN] = valid_gains(inputs[UNIT_GAIN])
        if "images" in inputs:
            images, expected = inputs["images"], "numbers from 0 to 1"
            valid = within(images, -SUM_TOLERANCE, 1 + SUM_TOLERANCE)
            scores = capability in ("log_likelihood", "classify")
            if scores and (self.likelihood or {}).get("levels") == 2:
                # Of gray pixels it says nothing.
                valid &= ~within(images, GRAY_TOLERANCE, 1 - GRAY_TOLERANCE)
                expected = "0, black, or 1, white, and no gray"
            valid = operations(images).all(valid, axis=(1, 2, 3))
            checks = {"images": (valid, expected)} | checks
        return checks

    def feeds(self, name, **given):
        """Returns named inputs, a dict of arrays, for one of `signatures` or `onnx_graphs`.

        Args:
          name: of it.
          latents: latent vectors, numpy float32 (batch, latent_spec.size), for what generates,
            decodes or edits.
          unit_gain: float32 (batch, units), for what edits.
          seeds: int64 (batch,), in place of the noise where a seed is taken.
          images: float32 (batch, height, width, channels) in [0, 1], for all else.
          noise: float32 (batch, size), for log_likelihood.
        """
        onnx = name in self.onnx_graphs()
        graph = self.onnx_graphs()[name] if onnx else self.signatures()[name]
        if graph.capability not in ("generate", "decode", "edit"):
            images = self.to_onnx_images(given["images"]) if onnx else given["images"]
            return {
                tensor.name: images if tensor.name == "images" else given[tensor.name]
                for tensor in graph.inputs
            }
        latents = given["latents"]
        parts, values = self.latent_spec.unpack(latents), self.latent_spec.values(latents)
        feeds = {}
        for tensor in graph.inputs:
            gains = {UNIT_GAIN: given["unit_gain"]} if graph.capability == "edit" else {}
            array = {"latents": latents, "seed": given.get("seeds"), **gains}.get(
                tensor.name,
                values.get(tensor.name) if tensor.type == "int64" else parts.get(tensor.name),
            )
            feeds[tensor.name] = np.ascontiguousarray(array, tensor.type).reshape(-1, *tensor.shape)
        return feeds

    def to_onnx_images(self, images):
        """Returns float32 images (batch, height, width, channels) in [0, 1] in the type and layout
        of the ONNX files.
        """
        if self.image_layout == "NCHW":
            images = images.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(
            np.round(images * 255) if self.image_type == "uint8" else images, self.image_type
        )

    def from_onnx_images(self, images):
        """The inverse of `to_onnx_images`, up to rounding."""
        if self.image_layout == "NCHW":
            images = images.transpose(0, 2, 3, 1)
        return images.astype(np.float32) / 255 if self.image_type == "uint8" else images

    def to_json(self):
        """Returns the contract without what is measured of the files: what the
        .onnx files carry.
        """
        described = self.latent_spec.to_json()
        trained_as = dict(
            zip((code.name for code in self.latent_spec.codes), self.trained_as, strict=True)
        )
        if "generate" not in self.capabilities:
            described["inputs"] = [
                entry for entry in described["inputs"] if entry["kind"] != "seed"
            ]
        for entry in described["inputs"]:
            if entry["name"] in trained_as:
                entry["trained_as"] = trained_as[entry["name"]]
        return {
            "contract": VERSION,
            "name": self.name,
            "keras_infogan": __version__,
            "model": {
                "name": self.model,
                "title": self.title,
                "paper": self.paper,
                "reads": list(self.reads),
            },
            "capabilities": list(self.capabilities),
            "step": self.step,
            "dataset": {
                "name": self.dataset,
                "license": self.license,
                "fingerprint": self.fingerprint,
            },
            **described,
            "images": {
                "shape": ["batch", *self.onnx_images.shape],
                "layout": self.image_layout,
                "type": self.image_type,
                "range": [0, 255] if self.image_type == "uint8" else [0, 1],
                "channels": {1: "gray", 3: "RGB"}.get(self.image_shape[-1], "as in training"),
                "saved_model": "NHWC float32 in [0, 1]",
                "framing": dataclasses.asdict(self.framing),
                "of_pictures": _OF_PICTURES,
            },
            "categories": self.categories,
            "likelihood": self.likelihood,
            "classes": list(self.classes),
            "units": self.units.to_json() if self.units else None,
            "signatures": {name: _listed(graph) for name, graph in self.signatures().items()},
            "onnx": {name: _listed(graph) for name, graph in self.onnx_graphs().items()},
            "reserved_names": {"names": [*_TAKEN], "endings": list(_ENDINGS)},
            "invalid_inputs": _INVALID_INPUTS,
            "settings": self.settings,
        }


# Names of inputs and outputs beside the codes' own, columns of tables among them, and
# endings of such names.
_TAKEN = (
    "parameters",
    "images",
    "latents",
    "noise",
    SEED.name,
    PNG.name,
    LOG_LIKELIHOOD.name,
    RECONSTRUCTIONS,
    CLASS.name,
    UNIT_GAIN,
    "image",
    "label",
)
_ENDINGS = ("_probability", "_probabilities", "_mean", "_std")
# By what is wrong: what each format does.
_AS_A_CATEGORY = {
    "saved_model": "as a category out of its range",
    "onnx": "as a category out of its range",
}
_INVALID_INPUTS = {
    "a category, bit or seed out of its range": {
        "saved_model": (
            "InvalidArgument with a sentence that names the input; under batching by the server, "
            "for all requests of that batch"
        ),
        "onnx": (
            "that image is NaN in every pixel (uint8: 0), the others are not touched; the "
            "recognizer's probabilities and means likewise, its categories -1"
        ),
    },
    "NaN or infinity": _AS_A_CATEGORY,
    "weights below 0, or whose sum is off 1 by more than 0.001": _AS_A_CATEGORY,
    "images outside [0, 1] by more than 0.001, where images are taken": {
        "saved_model": "as a category out of its range",
        "onnx": "as a category out of its range; uint8 images cannot be",
    },
    "gray pixels, where log_likelihood is of black and white ones alone (likelihood.levels is 2)": (
        _AS_A_CATEGORY
    ),
    "numbers beyond what half precision holds (65,504)": {
        "saved_model": "extrapolates",
        "onnx": "extrapolates; in generator_fp16.onnx that image is NaN",
    },
    "a wrong shape, type or name; batches of different sizes": {
        "saved_model": "an error; nothing is computed",
        "onnx": "an error; nothing is computed",
    },
    "an empty batch": {
        "saved_model": "an empty batch; encode of an InfoGAN may give an error",
        "onnx": "an empty batch",
    },
}


_OF_PICTURES = (
    "turned upright as EXIF says; on white; the middle square, framing.middle of the shorter side "
    "(framing.pad: all of it, between white bars); resized with Lanczos' filter of three lobes, "
    "which averages where it shrinks; gray as 0.299 R + 0.587 G + 0.114 B; pixels of more than 8 "
    "bits divided by framing.white"
)


def _reconstructed(images):
    return dataclasses.replace(images, name=RECONSTRUCTIONS)


def _listed(graph):
    def tensors(side):
        return {
            tensor.name: {"type": tensor.type, "shape": ["batch", *tensor.shape]} for tensor in side
        }

    return {"inputs": tensors(graph.inputs), "outputs": tensors(graph.outputs)}


def from_json(place, content):
    """Returns the Contract that `Contract.to_json` wrote.

    Args:
      place: of the files, for the sentence.
      content: JSON of this version or an earlier one.

    Raises:
      UserError: if a newer version wrote it, or it holds what this version does not know.
      ValueError, KeyError, TypeError, AttributeError, OverflowError: if it is damaged.
    """
    if int(content["contract"]) > VERSION:
        raise UserError(
            f"{place} was exported by a newer keras-infogan (contract {content['contract']}, this "
            f"one reads up to {VERSION}); update it."
        )
    if int(content["contract"]) == 1:
        content = _from_version_1(content)
    model, dataset, images = content["model"], content["dataset"], content["images"]
    shape = tuple(int(size) for size in images["shape"][1:])
    try:
        spec = LatentSpec.from_json(content)
    except UserError as error:
        raise UserError(f"{place}: {error}") from None
    return Contract(
        model=model["name"],
        title=model["title"],
        paper=model["paper"],
        reads=tuple(model["reads"]),
        dataset=dataset["name"],
        license=dataset["license"],
        fingerprint=dataset["fingerprint"],
        image_shape=shape if images["layout"] == "NHWC" else (*shape[1:], shape[0]),
        settings=dict(content["settings"]),
        latent_spec=spec,
        trained_as=tuple(
            entry["trained_as"] for entry in content["inputs"] if "trained_as" in entry
        ),
        step=int(content["step"]),
        capabilities=tuple(name for name in content["capabilities"] if name in ONNX_FILES),
        likelihood=content["likelihood"],
        # An export without it is of a version that knew no classes.
        classes=tuple(str(name) for name in content.get("classes", ())),
        units=Units.from_json(content["units"]) if "edit" in content["capabilities"] else None,
        categories=content["categories"],
        image_type=images["type"],
        image_layout=images["layout"],
        framing=Framing.from_json(images["framing"])
        if "framing" in images
        else of_dataset(dataset["name"]),
    )


def _from_version_1(content):
    """Returns an InfoGAN's contract of version 1 with the keys of version 2."""
    run, settings = content["run"], content["run"]["settings"]
    posterior = {"family": "bounded"} | {
        name: settings[f"{prefix}posterior_std"]
        for name, prefix in (("std", ""), ("min_std", "min_"), ("max_std", "max_"))
    }
    return content | {
        "model": {
            "name": run["model"],
            "title": "InfoGAN",
            "paper": "Chen et al. 2016, arXiv 1606.03657",
            "reads": ["image"],
        },
        "capabilities": ["generate", "encode"],
        "dataset": content["dataset"] | {"fingerprint": run["fingerprint"]},
        "posterior": posterior,
        "likelihood": None,
        "settings": settings,
    }


def read(path):
    """Returns the content of generator.json, a dict, and the Contract in it.

    Raises:
      UserError: if it is not there, is damaged, or a newer version wrote it.
    """
    try:
        content = parse_json(path.read_bytes())
        return content, from_json(path.parent, content)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path.parent} is not an export: {_missing(path)}.") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
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
