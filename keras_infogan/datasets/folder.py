"""A user's own images: a flat or nested folder, or a zip file (docs/data.md).

What is known to vary in the images may stand in a table factors.csv beside them, and where every
image lies in a folder of its kind, the folders' names are labels. Both serve scores; training never
sees them.
"""

import codecs
import collections
import concurrent.futures
import contextlib
import csv
import dataclasses
import errno
import hashlib
import io
import itertools
import os
import pathlib
import posixpath
import re
import stat
import sys
import threading
import unicodedata
import warnings
import zipfile

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError, features
from tqdm import tqdm

from keras_infogan import files, framing
from keras_infogan.config import UserError
from keras_infogan.datasets.image_set import cached, check_split
from keras_infogan.untrusted import printable

_FACTORS = "factors.csv"
# By Pillow's name of a format: endings of its files. No other format is opened, whatever a file is
# called: some of Pillow's start other programs.
_FORMATS = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".pgm", ".ppm", ".pbm", ".pnm"),
} | ({"AVIF": (".avif",)} if features.check("avif") else {})
_SUFFIXES = tuple(itertools.chain.from_iterable(_FORMATS.values()))
# Names of folders and files, besides those that begin with a dot, that systems keep for themselves.
_OF_SYSTEMS = {"__MACOSX", "$RECYCLE.BIN", "System Volume Information", "@eaDir", "lost+found"}
# The text that a picture may carry is no concern of ours; Pillow bounds its sum.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY
# Bytes per pixel of the largest picture that a file needs at most: 16 bits of four colors.
_MOST_BYTES_PER_PIXEL = 8
_MOST_LISTED = 5
# Tags of TIFF: width and height of a tile, which may be larger than the picture.
_TILE = (322, 323)
# Pictures of more pixels are decoded one at a time.
_LARGE = 16_000_000
# What may be white where grey pixels have more than 8 bits: the smallest that all of a folder stay
# within. 4,095: 12 bits, which cameras and microscopes store in 16.
_WHITES = {"I": (255, 4095, 65535), "F": (1, 255, 65535)}
# What an OSError says where a picture is at fault, not the disk or what this process may use:
# Pillow's own have no number, a damaged one sends it to places that no file has, and some may not
# be read.
_OF_A_PICTURE = {None, errno.EINVAL, errno.EACCES, errno.EPERM}
# Pictures that are decoded at a time: their futures, not their pixels, would fill memory.
_AT_A_TIME = 1024


class _Files:
    """The image files of a folder or zip, in sorted order, each opened as it is asked for.

    Attributes:
      path: of the folder or zip.
      stamps: dict from an image's name to its size in bytes and what else changes with its content;
        to None for what is no regular file.
      others: names of files of other kinds.
      hidden: number of files that are hidden, in the trash, or copies that a system made.
    """

    def __init__(self, path, stamps=None):
        """
        Args:
          path: of the folder or zip.
          stamps: what is known already of those images of a folder that matter; the folder is not
            looked through then.

        Raises:
          UserError: if it cannot be read, or holds no image.
        """
        if path is None:
            raise UserError(
                "this data set is read from your own images; give --data_dir=FOLDER or "
                "--data_dir=IMAGES.zip."
            )
        self.path = pathlib.Path(path)
        self.hidden, self.archive, self._entries = 0, None, {}
        if stamps is not None:
            self._seen, self.stamps, self.others = stamps, stamps, []
            return
        try:
            if self.path.is_dir():
                found = dict(self._walk())
            elif self.path.is_file() and zipfile.is_zipfile(self.path):
                self.archive = zipfile.ZipFile(self.path)
                found = dict(self._listed())
            else:
                raise UserError(
                    f"expected a folder or a zip file of images, but {self.path} is "
                    f"{'neither' if self.path.exists() else 'not there'}."
                )
        except UserError:
            raise
        except OSError as error:
            raise UserError(
                f"cannot read {error.filename or self.path}: {error.strerror}."
            ) from None
        except Exception as error:  # whatever a damaged archive makes zipfile raise
            raise UserError(f"cannot read {self.path}: {error or type(error).__name__}.") from None
        self._seen = {name: found[name] for name in sorted(found) if not _is_hidden(name)}
        self.hidden += len(found) - len(self._seen)
        self.stamps = {
            name: stamp for name, stamp in self._seen.items() if name.lower().endswith(_SUFFIXES)
        }
        self.others = [name for name in self._seen if name not in self.stamps]
        if not self.stamps:
            raise UserError(
                f"{self.path} holds no image ({_counted(self.others) or 'no other file'}, "
                f"{self.hidden} hidden); expected {', '.join(_SUFFIXES)}."
            )

    def _walk(self):
        """Yields the path of each file below the folder, with its size and time; None for what
        cannot be read as a file: a link that leads nowhere, a device.

        Links to folders are followed, to each folder once.
        """

        def fail(error):
            raise error

        entered = set()
        for directory, folders, names in os.walk(self.path, onerror=fail, followlinks=True):
            place = os.stat(directory)
            if (place.st_dev, place.st_ino) in entered:
                folders.clear()
                continue
            entered.add((place.st_dev, place.st_ino))
            shown = [name for name in folders if not _is_hidden(name)]
            self.hidden += len(folders) - len(shown)
            # A folder of its own place before a link to it, and all in one order everywhere.
            folders[:] = sorted(
                shown, key=lambda name: (os.path.islink(os.path.join(directory, name)), name)
            )
            for name in names:
                file = pathlib.Path(directory, name)
                try:
                    state = file.stat()
                except OSError:
                    stamp = None
                else:
                    regular = stat.S_ISREG(state.st_mode)
                    stamp = (state.st_size, state.st_mtime_ns) if regular else None
                yield file.relative_to(self.path).as_posix(), stamp

    def _listed(self):
        """Yields the name of each file in the archive, as all systems may have written it, with its
        size and checksum.
        """
        assert self.archive is not None
        for info in self.archive.infolist():
            name = _with_slashes(info.filename).lstrip("/")
            if info.is_dir() or name.startswith("../"):
                continue
            if name in self._entries:
                raise UserError(f"{self.path} holds {_shown(name)} twice; keep one.")
            self._entries[name] = info
            yield name, (info.file_size, info.CRC)

    def read(self, name):
        """Returns a file's bytes.

        Raises:
          ValueError: if it is no regular file, or larger than any picture that may be read.
        """
        self._check(name)
        return (
            self.archive.read(self._entries[name])
            if self.archive
            else (self.path / name).read_bytes()
        )

    def _check(self, name):
        stamp, most = self._seen[name], _MOST_BYTES_PER_PIXEL * _most_pixels()
        if stamp is None:
            raise ValueError("it cannot be reached, or is no regular file")
        if stamp[0] > most:
            raise ValueError(
                f"it has {stamp[0]:,} bytes, more than the {most:,} of the largest picture that "
                "--max_image_pixels allows"
            )

    def open(self, name):
        """Returns a picture, of which no more is read yet than its header.

        Raises:
          ValueError: if it is larger than may be read.
          Whatever Pillow and zipfile raise for damaged files.
        """
        if self.archive:
            source = io.BytesIO(self.read(name))
        else:
            self._check(name)
            source = self.path / name
        try:
            image = Image.open(source, formats=tuple(_FORMATS))
        except UnidentifiedImageError:
            raise ValueError(
                f"it is none of {', '.join(_FORMATS)}, or has pixels of a kind that is not read"
            ) from None
        tile = [getattr(image, "tag_v2", {}).get(tag, 1) for tag in _TILE]
        for what, (width, height) in (("", image.size), (" in a tile", tile)):
            if width * height > _most_pixels():
                image.close()
                raise ValueError(
                    f"it has {width} x {height} pixels{what}, more than "
                    f"--max_image_pixels={_most_pixels()}"
                )
        return image


def _most_pixels():
    """Pillow's own limit, which commands set by a flag."""
    return Image.MAX_IMAGE_PIXELS or sys.maxsize


def _shown(name):
    """Returns a file's name for a sentence: on one line, and without what a terminal obeys."""
    return printable(name).replace("\n", "\\n")


def _is_hidden(name):
    return any(part.startswith(".") or part in _OF_SYSTEMS for part in name.split("/"))


def _counted(names):
    """Returns how many files of which kind these are, in words."""
    kinds = collections.Counter(
        _shown(posixpath.splitext(name)[1].lower()) or "without ending" for name in names
    )
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(_MOST_LISTED)) + (
        ", ..." if len(kinds) > _MOST_LISTED else ""
    )


@dataclasses.dataclass(frozen=True)
class Survey:
    """What the headers of a folder's images say.

    Attributes:
      channels: 1 if every image is grey, else 3.
      white: see framing.Framing; None where no image has more than 8 bits, or none was given.
    """

    channels: int
    white: float | None


def survey(path, white=None):
    """Returns the Survey of a folder or zip; its white is what is given, or else looked for. Files
    that cannot be read are left for `read` to name.

    Raises:
      UserError: if no one value can be white in all images of more than 8 bits.
    """
    found, gray, deep = _Files(path), True, {"I": [], "F": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow; `read` says what is wrong
        for name in tqdm(
            found.stamps, desc=f"looking at {found.path.name}", unit="image", leave=False, delay=2
        ):
            try:
                with found.open(name) as image:
                    gray = gray and framing.is_gray(image)
                    if framing.is_deep(image.mode):
                        deep[image.mode[0]].append(name)
            except Exception:  # see _decode
                continue
        if white is not None or not any(deep.values()):
            return Survey(1 if gray else 3, white)
        if all(deep.values()):
            raise UserError(
                f"{found.path} mixes whole numbers of more than 8 bits ({deep['I'][0]}) and "
                f"floating-point ones ({deep['F'][0]}), of which no one value is white; give "
                "--white=VALUE, or one kind of them."
            )
        kind = "I" if deep["I"] else "F"
        return Survey(1 if gray else 3, _white(found, kind, deep[kind]))


def _white(found, kind, names):
    """Returns what is white in images of more than 8 bits: one scale for all, said in a word."""
    highest = 0.0
    for name in tqdm(names, desc="looking for the brightest pixel", unit="image", leave=False):
        try:
            with found.open(name) as image:
                if image.format == "PPM":  # Pillow brings its stated maximum to 16 bits
                    highest = 65535.0
                    continue
                values, clear = framing.deep_values(image)
                seen = values if clear is None else values[~clear]
                highest = max(highest, float(seen.max(initial=0)))
        except Exception:  # see _decode
            continue
    white = next((white for white in _WHITES[kind] if highest <= white), None)
    if white is None:
        raise UserError(
            f"{found.path}: grey pixels go up to {highest:g}, and white is not known; give "
            "--white=VALUE, the value that is to be shown as white."
        )
    print(
        f"{found.path}: {len(names)} images of more than 8 bits go up to {highest:g}; {white:,} is "
        "shown as white (--white).",
        file=sys.stderr,
    )
    return float(white)


def listing(path):
    """Returns the size in bytes of each image of the folder or zip by its name, a dict; None for
    what is no file.
    """
    return {name: stamp and stamp[0] for name, stamp in _Files(path).stamps.items()}


def stamps(path):
    """Returns what `read_some` takes of a folder: a dict from the names of its images, in order, to
    what tells their content; and a list of their labels, None where there are none.

    Raises:
      UserError: if it is a zip file, which nobody reads a part of.
    """
    found = _Files(path)
    if found.archive:
        raise UserError(f"{path} is a zip file, of which machines cannot read parts; unpack it.")
    labels, names = _labels(found)
    return found.stamps, None if labels is None else [names[label] for label in labels]


def read_some(path, stamps, shape, frame):
    """Reads some images of a folder, on one core, as `read` reads all.

    Args:
      path: of the folder.
      stamps: the part of what the function `stamps` returns that is read.
      shape, frame: see `framing.prepare`.

    Returns:
      The images that can be read, uint8 (count, *shape); of each of `stamps`, whether it can, a
      list of bool; a dict from the names of the others to what is wrong with them.

    Raises:
      OSError, MemoryError: if it is no fault of an image: a disk that does not answer, too many
        open files, an image that was there when `stamps` looked and is gone.
    """
    found, images, unreadable = _Files(path, stamps), [], {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about metadata; sizes are checked
        for name in stamps:
            try:
                with found.open(name) as image:
                    images.append(framing.prepare(image, shape, frame))
            except MemoryError:
                raise
            except Exception as error:  # see _decode
                if isinstance(error, OSError) and error.errno not in _OF_A_PICTURE:
                    raise
                unreadable[name] = _reason(error)
    readable = [name not in unreadable for name in stamps]
    return np.array(images, np.uint8).reshape(-1, *shape), readable, unreadable


def fingerprint(sizes):
    """Returns a short text of what `listing` returns, that changes when images are added, removed,
    renamed or change size; not when the folder is moved.
    """
    return hashlib.sha256(repr(list(sizes.items())).encode(errors="surrogateescape")).hexdigest()[
        :16
    ]


def read(name, split, data_dir, shape, frame):
    """Returns all images of a folder or zip; there is one split, "train"."""
    check_split(name, split, ("train",))
    found = _Files(data_dir)
    tables = _tables(found)
    others = [other for other in found.others if other not in tables]
    if others:
        elsewhere = [other for other in others if _last(other).lower() == _FACTORS]
        print(
            f"{found.path}: {len(others)} files are of kinds that are not read and are left out: "
            f"{_counted(others)}."
            + (
                f" {_shown(elsewhere[0])} is one of them; to be used it must lie at the top."
                if elsewhere
                else ""
            ),
            file=sys.stderr,
        )
    if found.hidden:
        print(
            f"{found.path}: {found.hidden} hidden files, and what systems keep for themselves, are "
            "left out.",
            file=sys.stderr,
        )
    names, factors = _factors(found, tables[0]) if tables else ((), None)
    key = (
        f"folder {found.path.resolve()} {'x'.join(map(str, shape))} {frame} "
        f"{sorted(found.stamps.items())}"
    )
    image_set = cached(key, len(found.stamps), shape, lambda images: _decode(found, images, frame))
    for remark in image_set.remarks:
        print(f"{found.path}: {remark}", file=sys.stderr)
    labels, label_names = _labels(found)
    if label_names:
        print(
            f"{found.path}: the {len(label_names)} folders are taken as labels for scores; "
            "training does not see them.",
            file=sys.stderr,
        )
    return dataclasses.replace(
        image_set,
        factors=factors,
        factor_names=names,
        labels=labels,
        label_names=label_names,
    )


def _top(found):
    """Returns the folder, with its "/", in which all images lie, where that is one: a zipped
    folder; else "".
    """
    tops = {name.split("/")[0] if "/" in name else "" for name in found.stamps}
    return f"{tops.pop()}/" if len(tops) == 1 and "" not in tops else ""


def _tables(found):
    """Returns the tables that lie beside the images, whatever the case of their name; raises
    UserError for several.
    """
    places = {_FACTORS, (_top(found) + _FACTORS).lower()}
    tables = [other for other in found.others if other.lower() in places]
    if len(tables) > 1:
        raise UserError(
            f"{found.path} holds {' and '.join(map(_shown, tables))}; keep one of them."
        )
    return tables


def _labels(found):
    """Returns labels, int64 (images,), and their names where every image lies in one of several
    folders; else None and ().
    """
    top = _top(found)
    kinds = [name.removeprefix(top).rpartition("/")[0].split("/")[0] for name in found.stamps]
    names = sorted(set(kinds))
    if "" in names or len(names) < 2:
        return None, ()
    return np.array([names.index(kind) for kind in kinds], np.int64), tuple(names)


def _factors(found, table):
    """Returns the factors' names, and their values as float32 (images, factors), from a table."""
    where = f"{found.path}/{table}"
    try:
        header, rows = _rows(_decoded(found.read(table)))
    except (ValueError, OSError, csv.Error, RuntimeError, zipfile.BadZipFile) as error:
        raise UserError(
            f"cannot read {where} ({error}); mend it, or rename it if it is something else."
        ) from None
    top = table[: -len(_FACTORS)]
    names = {_plain(name): name for name in found.stamps}
    if len(names) < len(found.stamps):
        raise UserError(f"two images in {found.path} have the same name; rename one.")
    shared = collections.Counter(map(_last, names))
    short = {_last(name): name for name in names if shared[_last(name)] == 1}
    values, unused = {}, []
    for line, (name, row) in rows.items():
        path = _plain(name)
        image = next(
            (known for known in (_plain(top + path), path) if known in names), short.get(path)
        )
        if image is None:
            unused.append(f"{name} (line {line})")
        elif values.setdefault(image, row) != row:
            raise UserError(f"{where} has two different rows for {_shown(name)}; keep one.")
    missing = [shown for name, shown in names.items() if name not in values]
    if missing:
        of_none = f" Of no image are {_shortened(unused)}." if unused else ""
        raise UserError(
            f"{where} has no row for {len(missing)} of {len(names)} images: {_shortened(missing)}; "
            f"add them.{of_none}"
        )
    if unused:
        print(
            f"{where}: {len(unused)} rows are of no image here: {_shortened(unused)}.",
            file=sys.stderr,
        )
    return header, np.array([values[name] for name in names], np.float32)


def _decoded(data):
    """Returns the text of a table: UTF-8, or UTF-16 with its mark, as spreadsheets write it."""
    utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if utf_16 else "utf-8-sig")


def _rows(content):
    """Returns the factors' names, and a dict from the number of a line to (file, factors).

    Commas, semicolons and tabs separate columns; with the latter two a comma may be the decimal
    point.

    Raises:
      ValueError: names the line and what is wrong with it.
    """
    texts = content.splitlines()
    # Blank lines, and the separator as some spreadsheets state it.
    before = next(
        (
            number
            for number, text in enumerate(texts)
            if text.strip() and not re.fullmatch("sep=.", text.strip().lower())
        ),
        None,
    )
    if before is None:
        raise ValueError("it is empty")
    first = re.match(r"""\s*["']?file["']?\s*([,;\t])""", texts[before], re.IGNORECASE)
    if not first:
        raise ValueError("its first line must be 'file' and the factors' names")
    separator = first[1]
    lines = csv.reader(texts[before:], delimiter=separator, skipinitialspace=True)
    table = [(before + lines.line_num, [cell.strip() for cell in line]) for line in lines]
    table = [(number, line) for number, line in table if any(line)]
    if all(line[-1] == "" for _, line in table):  # each line ends with a separator
        table = [(number, line[:-1]) for number, line in table]
    (_, header), *table = table
    if len(header) < 2:
        raise ValueError("its first line must be 'file' and the factors' names")
    twice = [name for name in header if header.count(name) > 1]
    if twice or "" in header:
        raise ValueError(
            f"its column {twice[0]!r} stands twice" if twice else "a column has no name"
        )
    largest, rows = float(np.finfo(np.float32).max), {}
    numbers = "".join(cell for _, line in table for cell in line[1:])
    commas = separator != "," and "," in numbers
    if commas and "." in numbers:
        raise ValueError(
            "its numbers hold commas and points, of which one would be the decimal sign; write "
            "them all alike"
        )
    for number, (name, *cells) in table:
        if len(cells) != len(header) - 1:
            raise ValueError(
                f"line {number} has {len(cells)} numbers for the {len(header) - 1} factors"
            )
        row = []
        for factor, cell in zip(header[1:], cells, strict=True):
            try:
                value = float(cell.replace(",", ".") if commas else cell)
            except ValueError:
                value = float("nan")
            if not abs(value) <= largest or "_" in cell:  # not-a-number is not either
                raise ValueError(
                    f"line {number} has {cell!r} for {factor}, expected a finite number"
                )
            row.append(value)
        rows[number] = name, row
    return tuple(header[1:]), rows


def _with_slashes(name):
    """Returns a path in one form whatever system wrote it: with "/", without "./"."""
    return posixpath.normpath(name.replace("\\", "/"))


def _plain(name):
    """Returns a path as `_with_slashes` does, in composed letters (NFC)."""
    return unicodedata.normalize("NFC", _with_slashes(name))


def _last(name):
    return name.rsplit("/", 1)[-1]


def _shortened(names):
    """Returns the first few of a list."""
    return ", ".join(map(_shown, names[:_MOST_LISTED])) + (
        ", ..." if len(names) > _MOST_LISTED else ""
    )


def _decode(found, images, frame):
    """Fills `images`, on all cores: Pillow decodes outside of Python's lock."""

    one_at_a_time = threading.Lock()

    def fill(place):
        index, name = place
        try:
            with found.open(name) as image:
                large = image.width * image.height > _LARGE
                about = {
                    "pictures": getattr(image, "n_frames", 1) - 1,
                    "deep": framing.is_deep(image.mode),
                    "cut": framing.has_more_bits(image),
                }
                with one_at_a_time if large else contextlib.nullcontext():
                    images[index] = framing.prepare(image, images.shape[1:], frame)
            about["empty"] = about["deep"] and images[index].max() in (0, images[index].min())
            return name, about, None
        # Whatever a damaged file makes Pillow raise: not even its own documents list it.
        except Exception as error:
            return name, {}, error

    places, broken, left_out = enumerate(found.stamps), [], 0
    known = collections.defaultdict(list)
    with (
        warnings.catch_warnings(),
        concurrent.futures.ThreadPoolExecutor(_num_cores()) as pool,
        tqdm(total=len(images), desc=f"reading {found.path.name}", unit="image") as bar,
    ):
        warnings.simplefilter("ignore")  # of Pillow, about metadata; sizes are checked
        while chunk := list(itertools.islice(places, _AT_A_TIME)):
            for name, about, error in pool.map(fill, chunk):
                bar.update()
                if error is not None:
                    broken.append((name, error))
                for fact, holds in about.items():
                    if holds:
                        known[fact].append(name)
                left_out += about.get("pictures", 0)
    if broken:
        _report(found, broken)
    remarks = {
        "pictures": f"files hold several pictures, of which the first is read and {left_out} are "
        "left out; save them as single files to have all",
        "cut": "images have colors, or gray and transparency, of 16 bits, of which the upper 8 are "
        "read",
        "empty": "images of more than 8 bits came out black or white all over; look at --white",
    }
    if frame.white is None:
        remarks["deep"] = (
            "images have more than 8 bits, and those of the run had none: 65,535 is shown as "
            "white, 1 where they are not whole numbers"
        )
    return {
        "files": list(found.stamps),
        "remarks": [
            f"{len(known[fact])} {remark}: {_shortened(known[fact])}."
            for fact, remark in remarks.items()
            if known[fact]
        ],
    }


def _num_cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _reason(error):
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _report(found, broken):
    """Raises UserError that names files which cannot be read, the whole list in a file where it is
    long.
    """
    lines = [f"{_shown(name)} ({_reason(error)})" for name, error in broken]
    listed = "; ".join(lines[:_MOST_LISTED])
    if len(lines) > _MOST_LISTED:
        path = files.cache_directory() / "unreadable_images.txt"
        files.write_atomically(path, "\n".join(lines) + "\n")
        listed += f"; ...; all of them: {path}"
    raise UserError(
        f"{len(broken)} of {len(found.stamps)} images in {found.path} cannot be read; mend or "
        f"remove them: {listed}"
    )
