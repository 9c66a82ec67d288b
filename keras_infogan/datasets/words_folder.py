"""A user's own recordings of single words, a folder per speaker: speaker/word.wav, or word_2.wav of
another time that it is said (docs/data.md).
"""

import pathlib
import re
import sys

import numpy as np
from tqdm import tqdm

from keras_infogan import audio, files
from keras_infogan.config import UserError
from keras_infogan.datasets.image_set import ImageSet, check_split
from keras_infogan.untrusted import printable

_LARGEST = 2**24  # bytes, far more than any word takes
_MOST_LISTED = 5
_TAKE = re.compile(r"_\d+$")


def read(name, split, data_dir, shape, framing):
    """Returns an ImageSet of words as `audio` says; the arguments are those of a `Facts.read`.
    What cannot be used is named on stderr and left out.

    Raises:
      UserError: if there is no recording that can be used.
    """
    check_split(name, split, ("train",))
    images, used, broken, cut = [], [], {}, 0
    for path in tqdm(_paths(data_dir), desc="listening", unit="word"):
        shown = f"{path.parent.name}/{path.name}"
        try:
            image, lost = audio.to_image(_samples(path))
        except ValueError as error:
            broken[shown] = str(error)
            continue
        images.append(image)
        used.append(path)
        cut += bool(lost)
    if not images:
        shown, reason = next(iter(broken.items()))
        raise UserError(
            f"none of the {len(broken)} recordings in {data_dir} can be used; {shown}: {reason}."
        )
    remarks = _remarks(broken, cut)
    for remark in remarks:
        print(printable(remark), file=sys.stderr)
    words = [_TAKE.sub("", path.stem) for path in used]
    names, labels = np.unique(words, return_inverse=True)
    _, speakers = np.unique([path.parent.name for path in used], return_inverse=True)
    return ImageSet(
        np.stack(images),
        labels=labels,
        label_names=tuple(names.tolist()),
        speakers=speakers,
        files=tuple(f"{path.parent.name}/{path.name}" for path in used),
        remarks=remarks,
    )


def listing(data_dir):
    """Returns the size in bytes of each recording by its name, a dict.

    Raises:
      UserError: if there is none.
    """
    return {f"{path.parent.name}/{path.name}": path.stat().st_size for path in _paths(data_dir)}


def _paths(data_dir):
    if not data_dir:
        raise UserError(
            "which recordings? Give --data_dir=FOLDER, with a folder per speaker in it: "
            "speaker/word.wav."
        )
    found = [
        path
        for path in sorted(pathlib.Path(data_dir).glob("*/*"))
        if path.suffix.lower() == ".wav" and path.name[0] != "." and path.is_file()
    ]
    if not found:
        raise UserError(
            f"{data_dir} has no recordings; give a folder with a folder per speaker in it: "
            "speaker/word.wav."
        )
    return found


def _samples(path):
    if path.stat().st_size > _LARGEST:
        raise ValueError("it is larger than any word is")
    return audio.read(files.read(path))


def _remarks(broken, cut):
    remarks = []
    if broken:
        listed = [f"{shown} ({reason})" for shown, reason in broken.items()]
        more = f" and {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
        remarks.append(
            f"Left out, since they cannot be used: {', '.join(listed[:_MOST_LISTED])}{more}."
        )
    if cut:
        seconds = audio.NUM_FRAMES * audio.HOP_SECONDS
        remarks.append(f"Of {cut} recordings longer than {seconds:g} s the end was left out.")
    return tuple(remarks)
