"""Single words in many voices, spoken by espeak-ng: synthetic speech, clean, all voices variants of
one synthesizer.

What is known of each word, labels (which word) and who speaks, is exact. Each split has voices and
words that no other has: settings are chosen on validation, and figures are of test. `spoken_words`
is drawn by the program once and kept in the cache; `spoken_words_small`, a part of it, is a file of
the package and needs no program.

    python -m keras_infogan.datasets.spoken_words    # draws the file of the package anew
"""

import concurrent.futures
import dataclasses
import io
import pathlib
import shutil
import subprocess

import numpy as np
from tqdm import tqdm

from keras_infogan import audio
from keras_infogan.config import UserError
from keras_infogan.datasets.image_set import ImageSet, cached, check_split
from keras_infogan.files import write_atomically

SPLITS = ("train", "validation", "test")
_PROGRAM = "espeak-ng"
_LANGUAGE = "en-us"
# Words per minute, and pitch from 0 to 99, of each take: between these.
_RATES, _PITCHES = (150, 200), (40, 60)
_FILE = pathlib.Path(__file__).with_name("spoken_words_small.npz")


@dataclasses.dataclass(frozen=True)
class _Split:
    """Every voice says every word `takes` times, each time at another rate and pitch.

    Attributes:
      voices: names of espeak-ng's voice variants.
      words: English words.
      seed: of rates and pitches.
    """

    voices: tuple
    words: tuple
    takes: int
    seed: int

    @property
    def spoken(self):
        """(voice, word, take) of each image, numbers, int (count, 3)."""
        sizes = (len(self.voices), len(self.words), self.takes)
        return np.indices(sizes).reshape(3, -1).T


_TRAINING_VOICES = (
    "m1 f1 Andy klatt3 m4 f3 Alex f5 m2 aunty ed Hugo m8 Mike antonio john m6 max steph klatt5 "
    "paul quincy robert Michael"
)
_TRAINING_WORDS = (
    "window river music paper table yellow morning garden number people water mother little money "
    "open under summer winter doctor letter happy sister finger animal orange silver coffee dinner "
    "village market green black white house bread stone light night moon sun tree fish bird horse "
    "dog cat door wall road street bridge train ship plane king queen child woman man friend heart "
    "hand foot eye nose mouth head time year day week month hour left right north south east west "
    "one two three four five six seven eight nine ten work play"
)
_VALIDATION_VOICES = "f4 m5 grandma klatt2 m3 f2 croak edward m7 Gene"
_VALIDATION_WORDS = (
    "flower mountain kitchen pencil engine island rabbit monkey dragon castle lemon pepper sugar "
    "butter cotton blood cloud dance glass knife leaf milk mouse rain rice salt school snow song "
    "wind"
)
# Drawn by chance, by no measurement, from those variants of espeak-ng 1.51 of whose family (a
# name without its number) no other split has one: one of a family.
_TEST_VOICES = "caleb fast Annie UniRobot marcelo linda david anikaRobot kaukovalta benjamin"
_TEST_WORDS = (
    "apple basket bottle candle carpet corner farmer forest hammer honey jacket ladder needle "
    "pocket ribbon saddle shadow ticket tiger valley bell boat bowl cup desk drum fork grass ring "
    "wheel"
)
_TRAIN = _Split(tuple(_TRAINING_VOICES.split()), tuple(_TRAINING_WORDS.split()), takes=2, seed=0)
_VALIDATION = _Split(
    tuple(_VALIDATION_VOICES.split()), tuple(_VALIDATION_WORDS.split()), takes=4, seed=1
)
_TEST = _Split(tuple(_TEST_VOICES.split()), tuple(_TEST_WORDS.split()), takes=4, seed=2)
_BY_NAME = {
    "spoken_words": {"train": _TRAIN, "validation": _VALIDATION, "test": _TEST},
    "spoken_words_small": {
        "train": dataclasses.replace(
            _TRAIN, voices=_TRAIN.voices[:8], words=_TRAIN.words[:16], takes=2
        ),
        "validation": dataclasses.replace(
            _VALIDATION, voices=_VALIDATION.voices[:4], words=_VALIDATION.words[:10], takes=2
        ),
        "test": dataclasses.replace(
            _TEST, voices=_TEST.voices[:4], words=_TEST.words[:10], takes=2
        ),
    },
}


def read(name, split, data_dir, shape, framing):
    """Returns an ImageSet of words as `audio` says; the arguments are those of a `Facts.read`.

    Raises:
      UserError: if there is no such split, or espeak-ng, which draws `spoken_words`, is not there.
    """
    check_split(name, split, SPLITS)
    wanted = _BY_NAME[name][split]
    if name == "spoken_words_small":
        with np.load(_FILE, allow_pickle=False) as content:
            images = _unpacked(content[f"{split}_frames"], content[f"{split}_lengths"])
        return ImageSet(images, **_known(wanted))
    return cached(
        f"{name} {split} {wanted} {_LANGUAGE} {_RATES} {_PITCHES} {_version()}",
        len(wanted.spoken),
        audio.SHAPE,
        lambda images: _draw(wanted, images),
    )


def _known(split):
    voices, words, takes = split.spoken.T
    return {
        "labels": words,
        "label_names": split.words,
        "speakers": voices,
        "files": tuple(
            f"{split.voices[voice]}/{split.words[word]}_{take + 1}.wav"
            for voice, word, take in zip(voices, words, takes, strict=True)
        ),
    }


def _draw(split, images):
    """Fills uint8 (count, *audio.SHAPE) with what espeak-ng says; returns what is known of it."""
    generator, spoken = np.random.default_rng(split.seed), split.spoken
    rates, pitches = (generator.integers(*ends, len(spoken)) for ends in (_RATES, _PITCHES))

    def say(index):
        voice, word = split.voices[spoken[index][0]], split.words[spoken[index][1]]
        try:
            images[index], _ = audio.to_image(
                audio.read(_said(voice, word, rates[index], pitches[index]))
            )
        except ValueError as error:
            raise UserError(
                f"{_PROGRAM} says nothing that can be used for {word!r} as {voice} ({error}); "
                "install it anew."
            ) from None

    # Each word is a process of its own, which a thread waits for.
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        indices = tqdm(range(len(spoken)), desc=f"{_PROGRAM} speaks", unit="word")
        for _ in threads.map(say, indices):
            pass
    return _known(split)


def _said(voice, word, rate, pitch):
    """Returns a word as a WAV file."""
    options = ["--stdout", "-v", f"{_LANGUAGE}+{voice}", "-s", str(rate), "-p", str(pitch)]
    said = subprocess.run([_PROGRAM, *options, word], capture_output=True, check=False)
    if said.returncode:
        raise UserError(
            f"{_PROGRAM} could not say {word!r} ({said.stderr.decode(errors='replace').strip()}); "
            "update it, or give --dataset=spoken_words_small."
        )
    return said.stdout


def _version():
    """Returns which espeak-ng there is."""
    if not shutil.which(_PROGRAM):
        raise UserError(
            f"spoken_words is spoken by {_PROGRAM}, which is not installed; install it (on Debian "
            f"and Ubuntu: apt-get install {_PROGRAM}), or give --dataset=spoken_words_small, which "
            "needs nothing."
        )
    return (
        subprocess.run([_PROGRAM, "--version"], capture_output=True, check=False, text=True)
        .stdout.split("Data")[0]
        .strip()
    )


def _unpacked(frames, lengths):
    """Returns images, uint8 (count, *audio.SHAPE), of their words' frames one after another, uint8
    (frames, bands), and their lengths.
    """
    images = np.zeros((len(lengths), *audio.SHAPE), np.uint8)
    lasts = np.arange(audio.NUM_FRAMES) < lengths[:, None]
    images[lasts, : audio.NUM_BANDS, 0] = frames
    images[lasts, audio.NUM_BANDS] = 255
    return images


def main():
    arrays = {}
    for name, split in _BY_NAME["spoken_words_small"].items():
        images = np.zeros((len(split.spoken), *audio.SHAPE), np.uint8)
        _draw(split, images)
        lasts = images[:, :, audio.NUM_BANDS, 0] > 0
        arrays[f"{name}_lengths"] = lasts.sum(axis=1).astype(np.uint8)
        arrays[f"{name}_frames"] = images[lasts, : audio.NUM_BANDS, 0]
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)
    write_atomically(_FILE, data.getvalue())


if __name__ == "__main__":
    main()
