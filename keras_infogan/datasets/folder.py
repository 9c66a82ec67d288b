"""A user's own images: a flat or nested folder, or a zip file.

Formats: PNG, JPEG, WebP, BMP, GIF (its first frame) and TIFF; 1 to 16 bit, palette, alpha (shown on
white), CMYK; EXIF rotation is applied. Images of any size are cropped to the middle square and
resized.

What is known to vary in the images may stand in a file factors.csv at the top: a header, "file" and
the factors' names, then a line per image with its path (or its name, where no two images share one)
and a number per factor. It serves scores; training never sees it.
"""

import collections
import contextlib
import csv
import dataclasses
import hashlib
import io
import os
import pathlib
import sys
import zipfile
import zlib

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from keras_infogan.config import UserError
from keras_infogan.datasets.image_set import cached, check_split

_FACTORS = "factors.csv"
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F")
# What Pillow and zipfile raise for damaged, encrypted or oversized files.
_BROKEN = (
    *(
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
    ),
    *(zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError),
)


class _Files:
    """The image files of a folder or zip, in sorted order, each opened as it is asked for."""

    def __init__(self, path):
        if path is None:
            raise UserError(
                "this data set is read from your own images; give --data_dir=FOLDER or "
                "--data_dir=IMAGES.zip."
            )
        self.path = pathlib.Path(path)
        try:
            if zipfile.is_zipfile(self.path):
                self.archive = zipfile.ZipFile(self.path)
                names = {
                    info.filename: (info.file_size, info.CRC)
                    for info in self.archive.infolist()
                    if not info.is_dir()
                }
            elif self.path.is_dir():
                self.archive = None
                names = dict(self._walk())
            else:
                raise UserError(
                    f"expected a folder or a zip file of images, but {self.path} is "
                    f"{'neither' if self.path.exists() else 'not there'}."
                )
        except OSError as error:
            raise UserError(
                f"cannot read {error.filename or self.path}: {error.strerror}."
            ) from None
        except zipfile.BadZipFile as error:
            raise UserError(f"cannot read {self.path}: {error}.") from None
        self.stamps = {
            name: names[name]
            for name in sorted(names)
            if name.lower().endswith(_SUFFIXES) and not name.startswith("__MACOSX/")
        }
        self.others = sorted(set(names) - set(self.stamps))
        if not self.stamps:
            raise UserError(
                f"{self.path} holds no image ({len(self.others)} other files); expected "
                f"{', '.join(_SUFFIXES)}."
            )

    def _walk(self):
        """Yields the path of each file below the folder, with its size and time; None for a link
        that leads nowhere, which is a broken file.
        """

        def fail(error):
            raise error

        for directory, _, names in os.walk(self.path, onerror=fail):
            for name in names:
                file = pathlib.Path(directory, name)
                stamp = (file.stat().st_size, file.stat().st_mtime_ns) if file.exists() else None
                yield file.relative_to(self.path).as_posix(), stamp

    def open(self, name):
        return Image.open(io.BytesIO(self.archive.read(name)) if self.archive else self.path / name)


def channels(path):
    """Returns 1 if every image of the folder or zip is grey by its header, else 3.

    Files that cannot be read are left for `read` to name.
    """
    files = _Files(path)
    modes = set()
    for name in files.stamps:
        with contextlib.suppress(*_BROKEN), files.open(name) as image:
            modes.add(image.mode)
    return 1 if modes <= set(_GREY_MODES) else 3


def fingerprint(path):
    """Returns a short text that changes when images of the folder or zip are added, removed,
    renamed or change size; not when it is moved.
    """
    stamps = _Files(path).stamps
    return hashlib.sha256(
        repr([(name, stamp and stamp[0]) for name, stamp in stamps.items()]).encode()
    ).hexdigest()[:16]


def read(name, split, data_dir, shape):
    """Returns all images of a folder or zip; there is one split, "train"."""
    check_split(name, split, ("train",))
    files = _Files(data_dir)
    others = [name for name in files.others if name != _FACTORS]
    if others:
        print(
            f"{files.path}: {len(others)} files are not images and are left out, "
            f"{others[0]} the first.",
            file=sys.stderr,
        )
    names, factors = _factors(files) if _FACTORS in files.others else ((), None)
    key = (
        f"folder {files.path.resolve()} {'x'.join(map(str, shape))} {sorted(files.stamps.items())}"
    )
    image_set = cached(key, len(files.stamps), shape, lambda images: _decode(files, images))
    return dataclasses.replace(image_set, factors=factors, factor_names=names)


def _factors(files):
    """Returns the factors' names, and their values as float32 (images, factors),
    from factors.csv.
    """
    where = f"{files.path}/{_FACTORS}"
    try:
        content = (
            files.archive.read(_FACTORS) if files.archive else (files.path / _FACTORS).read_bytes()
        )
        header, *lines = csv.reader(io.StringIO(content.decode("utf-8-sig")))
        if header[:1] != ["file"] or len(header) < 2:
            raise ValueError("its first line must be 'file' and the factors' names")
        rows = {line[0]: [float(value) for value in line[1:]] for line in lines if line}
    except (*_BROKEN, csv.Error) as error:
        raise UserError(
            f"cannot read {where} ({error}); mend it, or rename it if it is something else."
        ) from None
    largest = np.finfo(np.float32).max  # not-a-number is not below it either
    shared = collections.Counter(_last(name) for name in files.stamps)
    found = [
        rows.get(name, rows.get(_last(name)) if shared[_last(name)] == 1 else None)
        for name in files.stamps
    ]
    wrong = [
        name
        for name, row in zip(files.stamps, found, strict=True)
        if row is None or len(row) != len(header) - 1 or not (np.abs(row) <= largest).all()
    ]
    if wrong:
        raise UserError(
            f"{where} has no row of {len(header) - 1} finite numbers for {len(wrong)} of "
            f"{len(found)} images, {wrong[0]} the first; add them."
        )
    return tuple(header[1:]), np.array(found, np.float32)


def _last(name):
    return name.rsplit("/", 1)[-1]


def _decode(files, images):
    broken = []
    for index, name in enumerate(
        tqdm(files.stamps, desc=f"reading {files.path.name}", unit="image")
    ):
        try:
            with files.open(name) as image:
                images[index] = fit(image, images.shape[1:])
        except _BROKEN as error:
            broken.append((name, error))
    _report(files, broken)
    return {"files": list(files.stamps)}


def _report(files, broken):
    if broken:
        listed = "; ".join(
            f"{name} ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
            for name, error in broken
        )
        raise UserError(
            f"{len(broken)} of {len(files.stamps)} images in {files.path} cannot be read; mend or "
            f"remove them: {listed}"
        )


def fit(image, shape):
    """Returns a Pillow image of any mode and size as uint8 (height, width, channels): rotated as
    EXIF says, on white, cropped to the middle and resized.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float64)
        largest = 255 if values.max(initial=0) <= 255 and image.mode == "F" else 65535
        image = Image.fromarray(np.clip(values * (255 / largest), 0, 255).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if shape[-1] == 1 else "RGB")
    return np.asarray(ImageOps.fit(image, (shape[1], shape[0]), Image.Resampling.LANCZOS)).reshape(
        shape
    )
