"""A set of images in memory or on disk, and the cache of decoded images."""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from typing import Any

import numpy as np

from keras_infogan.config import UserError
from keras_infogan.files import cache_directory

# Raised when images are decoded differently than before, so that the cache does not bring
# back the old ones.
_DECODING_VERSION = 1


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """Images with what is known about them.

    Attributes:
      images: uint8 (count, height, width, channels): an array, a memory-mapped file, or an object
        that renders `images[indices]` on demand.
      labels: int (count,), or None.
      label_names: the classes' names, or ().
      factors: float (count, factors), ground truth or attributes, or None.
      factor_names: one name per column of `factors`.
      files: one name per image, where they came from files.
      split: the split that these are.
    """

    images: Any
    labels: np.ndarray | None = None
    label_names: tuple = ()
    factors: np.ndarray | None = None
    factor_names: tuple = ()
    files: tuple = ()
    split: str = ""


def cached(key, count, shape, decode):
    """Returns an ImageSet from the cache, decoding it first if it is not there.

    Memory stays bounded: images are written to disk one by one and read back through a memory map.

    Args:
      key: text that names the content: data set, version, split, sizes.
      count: number of images.
      shape: (height, width, channels).
      decode: function (images) -> dict of the other fields of ImageSet; fills the uint8 array
        (count, *shape) it is given.
    """
    digest = hashlib.sha256(
        f"{_DECODING_VERSION} {key}".encode(errors="surrogateescape")
    ).hexdigest()[:16]
    name = "".join(letter if letter.isalnum() else "_" for letter in key[:40]) + "_" + digest
    entry = cache_directory() / name
    if not (entry / "facts.json").exists():
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            temporary = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}.", dir=entry.parent))
        except OSError as error:
            raise UserError(
                f"cannot keep decoded images in {entry.parent} ({error.strerror}); set "
                "XDG_CACHE_HOME to a directory that can be written."
            ) from None
        try:
            images = np.lib.format.open_memmap(
                temporary / "images.npy", "w+", np.uint8, (count, *shape)
            )
            if hasattr(os, "posix_fallocate"):
                # The file is sparse: a full disk would end the process at some write to the map,
                # with a signal and not an error.
                with open(temporary / "images.npy", "r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
            known = decode(images)
            images.flush()
            for field in ("labels", "factors"):
                if known.get(field) is not None:
                    np.save(temporary / f"{field}.npy", known[field], allow_pickle=False)
            texts = {
                field: list(known.get(field, ()))
                for field in ("label_names", "factor_names", "files")
            }
            (temporary / "facts.json").write_text(json.dumps(texts))
            # Another process may have finished the same entry meanwhile: its content is the same,
            # and a directory cannot be replaced.
            with contextlib.suppress(OSError):
                temporary.rename(entry)
        except OSError as error:
            raise UserError(
                f"cannot write decoded images to {entry.parent} ({error.strerror}); free space "
                "there or set XDG_CACHE_HOME."
            ) from None
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    known: dict[str, Any] = {
        field: np.load(entry / f"{field}.npy", allow_pickle=False)
        for field in ("labels", "factors")
        if (entry / f"{field}.npy").exists()
    }
    known |= {
        field: tuple(values)
        for field, values in json.loads((entry / "facts.json").read_text()).items()
    }
    # Only what can be written is shared with TensorFlow; what were written, which nothing is, would
    # be copied.
    return ImageSet(np.load(entry / "images.npy", mmap_mode="c", allow_pickle=False), **known)


def check_split(name, split, splits):
    """Raises UserError unless `split` is one of the data set's splits."""
    if split not in splits:
        raise UserError(f"{name} has no split {split!r}; it has {', '.join(splits)}.")
