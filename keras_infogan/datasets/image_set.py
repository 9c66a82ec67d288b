"""A set of images in memory or on disk, and the cache of decoded images."""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import sys
import tempfile
import zlib
from typing import Any

import numpy as np

from keras_infogan.config import UserError
from keras_infogan.files import cache_directory, write_atomically
from keras_infogan.untrusted import parse_json

# Raised when images are decoded differently than before, so that the cache does not bring
# back the old ones.
_DECODING_VERSION = 2


_ARRAYS, _TEXTS = (
    ("labels", "factors", "speakers"),
    ("label_names", "factor_names", "files", "remarks"),
)


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
      speakers: int (count,), who speaks, of words; or None.
      files: one name per image, where they came from files.
      remarks: sentences on what of the files was not read.
      split: the split that these are.
    """

    images: Any
    labels: np.ndarray | None = None
    label_names: tuple = ()
    factors: np.ndarray | None = None
    factor_names: tuple = ()
    speakers: np.ndarray | None = None
    files: tuple = ()
    remarks: tuple = ()
    split: str = ""


def cached(key, count, shape, decode):
    """Returns an ImageSet from the cache, decoding it first if it is not there, or is not what was
    written.

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
    if entry.exists():
        try:
            return _opened(entry, (count, *shape))
        except Exception as error:  # whatever damaged files make numpy raise
            print(f"{entry} is damaged ({error}); the images are read anew.", file=sys.stderr)
    try:
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
        _write(entry, (count, *shape), decode)
    except OSError as error:
        raise UserError(
            f"cannot keep decoded images in {entry.parent} ({error.strerror}); free space there, "
            "or set XDG_CACHE_HOME to a directory that can be written."
        ) from None
    return _opened(entry, (count, *shape))


def _write(entry, shape, decode):
    """Writes an entry of the cache: whole under its name, or not there."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    temporary = pathlib.Path(tempfile.mkdtemp(prefix=f"{entry.name}.", dir=entry.parent))
    try:
        images = np.lib.format.open_memmap(temporary / "images.npy", "w+", np.uint8, shape)
        if hasattr(os, "posix_fallocate"):
            # The file is sparse: a full disk would end the process at some write to the map,
            # with a signal and not an error.
            with open(temporary / "images.npy", "r+b") as file:
                os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
        known = decode(images)
        images.flush()
        arrays = {"images": images} | {
            field: known[field] for field in _ARRAYS if known.get(field) is not None
        }
        for field in arrays.keys() - {"images"}:
            np.save(temporary / f"{field}.npy", arrays[field], allow_pickle=False)
        facts: dict[str, Any] = {field: list(known.get(field, ())) for field in _TEXTS}
        facts["checksums"] = {field: _checksum(array) for field, array in arrays.items()}
        facts["checksum"] = _checksum_of_texts(facts)
        write_atomically(temporary / "facts.json", json.dumps(facts))
        # Another process may have finished the same entry meanwhile: its content is the same, and a
        # directory cannot be replaced.
        with contextlib.suppress(OSError):
            temporary.rename(entry)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _opened(entry, shape):
    """Returns the ImageSet in an entry of the cache.

    Raises:
      Exception, of any kind: if it is not what was written.
    """
    facts = parse_json((entry / "facts.json").read_bytes())
    if facts["checksum"] != _checksum_of_texts(facts):
        raise ValueError("facts.json is not what was written")
    known: dict[str, Any] = {field: tuple(facts[field]) for field in _TEXTS}
    for field, checksum in facts["checksums"].items():
        # Only what can be written is shared with TensorFlow; what were written, which nothing is,
        # would be copied.
        mode = "c" if field == "images" else None
        known[field] = np.load(entry / f"{field}.npy", mmap_mode=mode, allow_pickle=False)
        if _checksum(known[field]) != checksum:
            raise ValueError(f"{field} are not those that were written")
    images = known["images"]
    if images.shape != shape or images.dtype != np.uint8:
        raise ValueError(f"images are {images.dtype} {images.shape}")
    return ImageSet(**known)


def _checksum_of_texts(facts):
    texts = json.dumps([facts[field] for field in (*_TEXTS, "checksums")])
    return zlib.crc32(texts.encode())


def _checksum(array):
    """Returns a checksum of an array's content: against damage, not against forgery."""
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def check_split(name, split, splits):
    """Raises UserError unless `split` is one of the data set's splits."""
    if split not in splits:
        raise UserError(f"{name} has no split {split!r}; it has {', '.join(splits)}.")
