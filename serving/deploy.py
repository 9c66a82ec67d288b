"""Writes what TensorFlow Serving needs to offer an exported generator:

    python -m keras_infogan.serving.deploy --export_dir=runs/mnist-infogan-1/export

Writes to --output_dir (default: <export_dir>/deployment):
    models.config, batching.config, monitoring.config    what the server loads, how it gathers
                                                         requests, where its metrics are
    Dockerfile, Dockerfile.dockerignore                  an image with the model in it
    compose.yaml                                         a server on this machine, on
                                                         the CPU or a GPU
    kubernetes.yaml, kubernetes-gpu.yaml                 servers on a cluster
    README.md                                            every command: build, run, ask,
                                                         roll out, roll back

Run it again after each export: the version that is stable stays so, and the new one is the canary
beside it, until --stable=VERSION moves the label.
"""

import dataclasses
import json
import math
import os
import pathlib
import re
import shlex
import sys

import jinja2
from absl import flags

from keras_infogan import config, files
from keras_infogan.config import UserError
from keras_infogan.latents import SEED
from keras_infogan.serving import exported
from keras_infogan.untrusted import printable

FLAGS = flags.FLAGS
# models.config is written first, because by it the directory is known again.
FILES = (
    "models.config",
    "batching.config",
    "monitoring.config",
    "Dockerfile",
    "Dockerfile.dockerignore",
    "compose.yaml",
    "kubernetes.yaml",
    "kubernetes-gpu.yaml",
    "README.md",
)
# Of TensorFlow Serving: the newest release whose images, for CPU and GPU, were seen in use.
_SERVER_VERSION, _GPU_SUFFIX = "2.19.1", "-gpu"
# The sizes that an export's warm-up requests have: a batch that is filled up to one of them meets
# nothing for the first time.
_BATCH_SIZES = (1, 4, 16, 64)
# Of one server; the threads of its two pools, and what a cluster is asked for.
_CORES = 2
_SCRATCH_MIB = 64  # of temporary files, of which none were seen
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_IMAGE_NAME = re.compile(
    rf"(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::\d+)?/)?{_COMPONENT}(?:/{_COMPONENT})*(?::(?P<tag>\w[\w.-]{{0,123}}))?",
    re.ASCII,
)


@dataclasses.dataclass(frozen=True)
class Served:
    """What models.config tells a server: the versions to load, and labels, a dict from
    name to version.
    """

    versions: tuple = ()
    labels: dict = dataclasses.field(default_factory=dict)


def plan(on_disk, before, stable=None):
    """Chooses what to serve: two versions at most, the stable one and the newest; where they are
    the same, the one to roll back to.

    A running server moves a label only to a version that it has loaded, and of a file with a label
    that it refuses it takes up nothing, no new version either. So a label whose new version the
    file before did not name stays where it was, this file has the version loaded, and the next one
    moves the label.

    Args:
      on_disk: versions that there are.
      before: Served, of the file that a running server has; empty if there is none.
      stable: the version that is to be stable; None leaves it as it was, or begins with the older
        one of the newest two.

    Returns:
      (Served, a dict from label to version of the labels that have yet to move)
    """
    newest, was = max(on_disk), before.labels.get("stable")
    if stable is None:
        stable = was if was in on_disk else sorted(on_disk)[-2:][0]
    # Of a server that is not given a canary, the version to go back to: what was stable, what is
    # loaded, what there is.
    candidates = (
        [newest]
        if stable != newest
        else [was, *sorted(before.versions, reverse=True), *sorted(on_disk, reverse=True)]
    )
    other = next(
        (version for version in candidates if version in on_disk and version != stable), stable
    )
    wanted = {"stable": stable} | ({"canary": newest} if newest != stable else {})
    stays = {
        label: old
        for label, old in before.labels.items()
        if old in on_disk and wanted.get(label, old) not in {old, *before.versions}
    }
    labels = wanted | stays
    return Served(tuple(sorted({stable, other, *labels.values()})), labels), {
        label: wanted[label] for label in stays
    }


def read_served(path, name):
    """Returns what a models.config serves, Served; empty if there is no such file.

    Raises:
      UserError: if it is not one of this model.
    """
    exported.check_regular(path)
    try:
        text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return Served()
    except ValueError:
        text = ""
    names = re.findall(r"\bname\s*:\s*[\"']([^\"']*)", text)
    if names != [name]:
        raise UserError(
            f"{path} is not that of {name} alone (it names {', '.join(names) or 'no model'}); "
            "give another --output_dir."
        )
    versions = re.findall(
        r"\d+", " ".join(re.findall(r"\bversions\s*:\s*(\d+|\[[\d,\s]*\])", text))
    )
    labels = re.findall(r"\bkey\s*:\s*[\"'](\w+)[\"'][\s,;]*value\s*:\s*(\d+)", text)
    return Served(
        tuple(sorted(map(int, versions))), {label: int(version) for label, version in labels}
    )


def check_output(output_dir, name):
    """Raises UserError unless the directory is free, or holds an earlier deployment of the same
    model and nothing else.
    """
    if not output_dir.is_dir():
        return
    held = {entry.name for entry in output_dir.iterdir() if not entry.name.startswith(".")}
    others = sorted(held - set(FILES)) if "models.config" in held else sorted(held)
    if others:
        raise UserError(
            f"{output_dir} holds other things ({others[0]}) than a deployment; "
            "give another --output_dir."
        )
    read_served(output_dir / "models.config", name)


def dns_label(name):
    """Returns a name that Kubernetes takes for everything: at most 63 of a to z, 0 to 9 and
    hyphens, the first a letter.
    """
    label = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return (label if label[:1].isalpha() else f"model-{label}")[:63].rstrip("-")


def image_with_tag(image_name, served):
    """Returns the image's name with a tag; without one it gets one that says what is in it, so that
    a cluster sees a new image where something changed.

    Raises:
      UserError: if it is no name of an image.
    """
    match = _IMAGE_NAME.fullmatch(image_name)
    if not match or len(image_name) > 255:
        raise UserError(
            "--image_name: expected a name like registry.example.com/faces or faces:3, received "
            f"{image_name!r}; give another one."
        )
    return (
        image_name
        if match["tag"]
        else f"{image_name}:{'-'.join(map(str, served.versions))}-stable-{served.labels['stable']}"
    )


def base_tag(suffix, digest):
    """Returns the tag of TensorFlow Serving's image to build on, and its digest if one is given.

    Raises:
      UserError: if it is no digest.
    """
    if digest and not _DIGEST.fullmatch(digest):
        raise UserError(
            "--base_digest and --gpu_base_digest: expected sha256: and 64 hexadecimal digits, "
            f"received {digest[:100]!r}; docker pull tensorflow/serving:{_SERVER_VERSION}{suffix} "
            "shows the digest."
        )
    return f"{_SERVER_VERSION}{suffix}" + (f"@{digest}" if digest else "")


def render(agreed, served, paths, image_name, image, digests=(None, None)):
    """Returns the files of a deployment, a dict from name to text.

    Args:
      agreed: the export's Contract.
      served: Served.
      paths: (export directory, output directory).
      image_name: as the user gave it, or None.
      image: the image's name with its tag.
      digests: of the images to build on, for CPU and for GPU; None leaves them to their tags.
    """
    # Through links the directories' names alone do not say how they lie to each other.
    export_dir, output_dir = (os.path.realpath(path) for path in paths)
    weights = sum(
        file.stat().st_size
        for version in served.versions
        for file in (paths[0] / agreed.name / str(version)).rglob("*")
        if file.is_file()
    )
    to_export = os.path.relpath(export_dir, output_dir)
    base, gpu_base = (
        base_tag(suffix, digest) for suffix, digest in zip(("", _GPU_SUFFIX), digests, strict=True)
    )
    repeated = {"image_name": image_name, "base_digest": digests[0], "gpu_base_digest": digests[1]}
    values = {
        "server": _SERVER_VERSION,
        "base": base,
        "gpu_base": gpu_base,
        "pinned": all(digests),
        "scratch_mib": _SCRATCH_MIB,
        "name": agreed.name,
        "dns_name": dns_label(agreed.name),
        "versions": served.versions,
        "labels": served.labels,
        "batch_sizes": _BATCH_SIZES,
        "cores": _CORES,
        # 1 GiB for TensorFlow (as measured in training), and each weight three times: read, loaded,
        # and packed by kernels.
        "memory_mib": 1024 + 256 * math.ceil(3 * weights / 2**20 / 256),
        "to_export": to_export,
        "from_export": os.path.relpath(output_dir, export_dir),
        "image": image,
        "image_gpu": image + _GPU_SUFFIX,
        "deploy": shlex.join(
            [
                "python",
                "-m",
                "keras_infogan.serving.deploy",
                f"--export_dir={to_export}",
                "--output_dir=.",
            ]
            + [f"--{flag}={value}" for flag, value in repeated.items() if value]
        ),
        "generates": "generate" in agreed.capabilities,
        "question": json.dumps(
            {"signature_name": "png", "instances": [agreed.latent_spec.example | {SEED.name: 1}]}
        ),
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).with_name("deployment")),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    environment.filters["quote"] = shlex.quote
    return {
        file: environment.get_template(file.replace(_GPU_SUFFIX, "")).render(
            values, gpu=_GPU_SUFFIX in file
        )
        for file in FILES
    }


def write(export_dir, output_dir, image_name=None, stable=None, digests=(None, None)):
    """Writes the deployment of an export, each file atomically.

    Args:
      export_dir: directory that keras_infogan.export wrote.
      output_dir: directory, which is created; an earlier deployment in it is replaced.
      image_name: name of the image, with or without a tag; None for the model's.
      stable: the version to call stable; None leaves it as it is.
      digests: as in `render`.

    Returns:
      (paths written, a dict from label to version of the labels that have yet to move: see `plan`)

    Raises:
      UserError: if it is no export or has no SavedModel, the version or the image's name cannot be,
        or the output directory holds other things.
    """
    agreed = exported.read_contract(export_dir)
    if not re.fullmatch(r"[\w.-]+", agreed.name, re.ASCII):
        raise UserError(
            f"the model's name {agreed.name!r} cannot stand in a server's addresses, which take "
            "letters, digits and ._-; export a run of other data."
        )
    on_disk = exported.versions_of(export_dir, agreed.name)
    if not on_disk:
        raise UserError(
            f"{export_dir} holds no SavedModel of {agreed.name}; export it again with saved_model "
            "among its --formats."
        )
    if stable is not None and stable not in on_disk:
        raise UserError(
            f"--stable: expected a version of {agreed.name} in {export_dir} "
            f"({', '.join(map(str, on_disk))}), received {stable}."
        )
    check_output(output_dir, agreed.name)
    served, awaited = plan(on_disk, read_served(output_dir / "models.config", agreed.name), stable)
    image = image_with_tag(dns_label(agreed.name) if image_name is None else image_name, served)
    texts = render(agreed, served, (export_dir, output_dir), image_name, image, digests)
    files.output_directory(output_dir)
    for name, text in texts.items():
        files.write_atomically(output_dir / name, text)
    return [output_dir / name for name in texts], awaited


def define_flags():
    exported.define_flag()
    flags.DEFINE_string("output_dir", None, "where the files go; default: <export_dir>/deployment.")
    flags.DEFINE_string(
        "image_name",
        None,
        "name of the image to build, like registry.example.com/faces; default: the model's. "
        "Without a tag it gets one that changes with its content.",
    )
    flags.DEFINE_integer(
        "stable",
        None,
        "the version to label stable, to promote a canary or to roll back; default: the one that "
        "is, at first the older of two.",
    )
    for flag, suffix in (("base_digest", ""), ("gpu_base_digest", _GPU_SUFFIX)):
        flags.DEFINE_string(
            flag,
            None,
            f"digest of the image tensorflow/serving:{_SERVER_VERSION}{suffix}, sha256:..., to "
            "build on just that one; default: whatever has the tag.",
        )


def main():
    export_dir = exported.chosen_directory()
    output_dir = pathlib.Path(config.user_path(FLAGS.output_dir) or export_dir / "deployment")
    paths, awaited = write(
        export_dir,
        output_dir,
        FLAGS.image_name,
        FLAGS.stable,
        (FLAGS.base_digest, FLAGS.gpu_base_digest),
    )
    for path in paths:
        print(printable(str(path)))
    for label, version in awaited.items():
        print(
            f"The label {label} has yet to move to version {version}, which a running server must "
            "load first: give the same command again when it has.",
            file=sys.stderr,
        )
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
