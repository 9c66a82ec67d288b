"""What a model says of real images, as rows of a table; and of a folder's images on the nodes of a
cluster, a table per shard. No TensorFlow but what a model brings.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
import math
import pathlib
import sys

import numpy as np
from PIL import Image
from tqdm import tqdm

from keras_infogan import __version__, datasets, files, onnx_model, tables
from keras_infogan.config import UserError
from keras_infogan.datasets import folder
from keras_infogan.untrusted import parse_json, printable

# What memory holds at once, and a shard. Estimates that draw, draw anew for every so many images.
IMAGES_AT_A_TIME = 4096
_KEY, _UNREADABLE = b"keras_infogan.key", b"keras_infogan.unreadable"
# Shards that wait for a node or run on it, per CPU: none is idle, and few are sent ahead.
_SHARDS_PER_CPU = 2


def answers(model, images, classes, seed: int | np.random.Generator):
    """Returns what a model says of up to IMAGES_AT_A_TIME images, uint8 (count, height, width,
    channels), as columns of a table: the recognizer's answers and the likelihood, or the
    classifier's. `seed`: see `datasets.binarized`.
    """
    shown, columns = datasets.to_float(images), {}
    scored = likely(model, shown, seed) if model.likelihood else shown
    if classes:
        probabilities = model.classify(scored)
        columns["class"] = np.array(model.classes)[probabilities.argmax(axis=-1)]
        columns["class_probability"] = probabilities.max(axis=-1)
    elif "encode" in model.capabilities or "log_likelihood" not in model.capabilities:
        columns = model.latent_spec.describe(model.encode(shown))
    if "log_likelihood" in model.capabilities:
        columns["log_likelihood"] = model.log_likelihood(scored)
    return columns


def likely(model, shown, seed: int | np.random.Generator = 0):
    """Returns images as the model's likelihood takes them; `seed`: see `datasets.binarized`."""
    return datasets.binarized(shown, seed) if model.likelihood["binary"] else shown


def _draws(start, numbers):
    """Returns the generator of draws of black and white as it is, when all images are drawn one
    after another, before the one of index `start`, which is even; an image has so many numbers.
    """
    # A step of it makes 64 bits, of which a float32 takes half.
    return np.random.Generator(np.random.PCG64(0).advance(start * numbers // 2))


@dataclasses.dataclass(frozen=True)
class Source:
    """What is read, and with what.

    Attributes:
      onnx: path of an exported file.
      folder: path of the images.
      classes: whether the classifier is asked, not the recognizer.
      max_image_pixels: pixels of the largest picture that is opened; None: any.
    """

    onnx: pathlib.Path
    folder: pathlib.Path
    classes: bool
    max_image_pixels: int | None


@functools.cache
def _model(onnx, classes):
    """Returns the model, loaded once per process; on one core, as a task has it."""
    return onnx_model.load(onnx, ("classify",) * classes, num_threads=1, others=True)


class Shards:
    """The images of a folder in the order of their names, IMAGES_AT_A_TIME per shard: of each one
    Parquet table in a directory, part-00000.parquet and so on. A table that is there is whole.
    """

    def __init__(self, source, directory):
        """
        Raises:
          UserError: if the model or the folder cannot be read, or the directory holds tables of
            others.
        """
        self._source, self._directory = source, directory
        model = _model(source.onnx, source.classes)
        contract = model.contract
        if datasets.DATASETS.get(contract.dataset, datasets.OTHER_PREPARED).own != "folder":
            raise UserError(
                f"--ray reads images, and this model words ({contract.dataset}); leave it out."
            )
        self._stamps, self._labels = folder.stamps(source.folder)
        self._names = list(self._stamps)
        asked = [
            *(__version__, IMAGES_AT_A_TIME, source.classes, source.max_image_pixels),
            hashlib.sha256(source.onnx.read_bytes()).hexdigest(),
            sorted(model.capabilities),  # of the files beside it too
            folder.fingerprint(self._stamps),
        ]
        self._key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
        self._ranges = {
            directory / f"part-{number:05d}.parquet": slice(start, start + IMAGES_AT_A_TIME)
            for number, start in enumerate(range(0, len(self._names), IMAGES_AT_A_TIME))
        }
        # Tables of a folder that was larger would be read together with these.
        for path in sorted({*self._ranges, *directory.glob("part-*.parquet")}):
            footer = _footer(path)
            if footer and (
                path not in self._ranges or (footer.metadata or {}).get(_KEY) != self._key.encode()
            ):
                raise UserError(
                    f"{path} is of other images, of another model, version or --max_image_pixels; "
                    "give an --output of its own."
                )

    def finish(self, cluster):
        """Writes the tables that are missing, as tasks of a ray_cluster.Cluster, and says what is
        there then.

        Returns:
          Number of images that cannot be read. They have no row, and are named in
          unreadable_images.txt.

        Raises:
          UserError: if a table cannot be written; the others are.
        """
        for unfinished in self._directory.glob(".writing_*_part-*.parquet"):  # of nodes that died
            unfinished.unlink(missing_ok=True)
        todo = [path for path in self._ranges if not _footer(path)]
        at_once = math.ceil(_SHARDS_PER_CPU * cluster.cpus)
        left, waiting, failed = iter(todo), {}, []
        with tqdm(total=len(self._ranges), desc="encoding", unit="shard") as bar:
            bar.update(len(self._ranges) - len(todo))
            try:
                while True:
                    for path in itertools.islice(left, at_once - len(waiting)):
                        waiting[cluster.submit(path.name, _write, *self._task(path))] = path
                    if not waiting:
                        break
                    for future in concurrent.futures.wait(
                        waiting, return_when=concurrent.futures.FIRST_COMPLETED
                    ).done:
                        path = waiting.pop(future)
                        if error := future.exception():
                            failed.append(f"{path} ({cluster.reason(error)})")
                        else:
                            bar.update()
            except BaseException as error:
                cluster.cancel(killing=False)
                if isinstance(error, KeyboardInterrupt):
                    print("Stopping; the same command continues.", file=sys.stderr)
                raise
        if failed:
            raise UserError(
                f"cannot write {len(failed):,} of {len(self._ranges):,} tables, first {failed[0]}; "
                "what is there is kept, and the same command tries these again."
            )
        return self._report()

    def _task(self, path):
        """Returns the arguments of `_write` for a table."""
        part = self._ranges[path]
        stamps = {name: self._stamps[name] for name in self._names[part]}
        labels = self._labels and self._labels[part]
        return path, self._key, self._source, part.start, stamps, labels

    def _report(self):
        count = len(self._names)
        footers = [_footer(path) for path in self._ranges]
        rows = sum(footer.num_rows for footer in footers if footer)
        unreadable = {}
        for footer in filter(None, footers):
            unreadable |= parse_json(footer.metadata[_UNREADABLE])
        if rows + len(unreadable) != count:
            raise UserError(
                f"{self._directory} has rows of {rows:,} images and {len(unreadable):,} that "
                f"cannot be read, of {count:,}; give the command again."
            )
        print(f"{rows:,} of {count:,} images have a row, in {len(footers):,} tables.")
        listed = self._directory / "unreadable_images.txt"
        if unreadable:
            lines = [f"{printable(name)} ({reason})\n" for name, reason in unreadable.items()]
            files.write_atomically(listed, "".join(lines))
            print(
                f"{len(unreadable):,} images cannot be read and have none; they are named in "
                f"{listed}.",
                file=sys.stderr,
            )
        else:
            listed.unlink(missing_ok=True)
        return len(unreadable)


def _write(path, key, source, start, stamps, labels):
    """Writes a table, on a node; `start`: index of its first image among all."""
    Image.MAX_IMAGE_PIXELS = source.max_image_pixels
    model = _model(source.onnx, source.classes)
    contract = model.contract
    images, readable, unreadable = folder.read_some(
        source.folder, stamps, contract.image_shape, contract.framing
    )
    metadata = {_KEY: key, _UNREADABLE: json.dumps(unreadable)}
    with tables.written(path, metadata) as add:
        columns = {"image": [name for name in stamps if name not in unreadable]}
        if labels:
            columns["label"] = list(itertools.compress(labels, readable))
        draws = _draws(start, math.prod(contract.image_shape))
        add(columns | answers(model, images, source.classes, draws))


def _footer(path):
    """Returns the pyarrow.parquet.FileMetaData of a table, None if it is not there or damaged."""
    import pyarrow
    from pyarrow import parquet

    with contextlib.suppress(FileNotFoundError, pyarrow.ArrowException):
        return parquet.read_metadata(path)
    return None
