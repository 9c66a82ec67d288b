"""Words that come with the package, one's own recordings, and their pairs."""

import shutil

import numpy as np
import pytest

from keras_infogan import audio, datasets
from keras_infogan.config import UserError
from keras_infogan.datasets import ImageSet, speakers, spoken_words, words_folder


def _small(split):
    return datasets.load("spoken_words_small", split, audio.SHAPE)


def _tone(frequency, seconds=0.4):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * audio.RATE)) / audio.RATE)


def _write(folder, words):
    """Writes recordings, a dict from "speaker/word" to samples, to a folder."""
    for name, samples in words.items():
        path = folder / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(audio.wav(samples))


def test_the_words_of_the_package_hold_voices_and_words_out():
    splits = [_small(split) for split in spoken_words.SPLITS]
    assert [len(found.images) for found in splits] == [256, 80, 80]
    voices = [{name.split("/")[0] for name in found.files} for found in splits]
    assert [len(names) for names in voices] == [8, 4, 4]
    for found in splits:
        word = found.label_names[found.labels[0]]
        assert found.files[0].split("/")[1] == f"{word}_1.wav"
        mask = found.images[:, :, audio.NUM_BANDS, 0]
        lengths = audio.lengths(datasets.to_float(found.images))
        assert np.array_equal((mask == 255).sum(axis=1), lengths)
        assert set(np.unique(mask)) == {0, 255}
        assert lengths.min() > 5
        assert not found.images[mask == 0].any()


@pytest.mark.parametrize("name", ["spoken_words", "spoken_words_small"])
def test_no_split_has_a_voice_or_word_of_another(name):
    splits = spoken_words._BY_NAME[name].values()
    for said in ("voices", "words"):
        all_said = [one for split in splits for one in getattr(split, said)]
        assert len(all_said) == len(set(all_said))


def test_more_words_take_a_program(monkeypatch):
    monkeypatch.setattr(spoken_words.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match=r"apt-get install espeak-ng\), or give --dataset=spoken"):
        datasets.load("spoken_words", "train", audio.SHAPE)


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")
def test_the_program_says_words_apart():
    one, same, other = (
        audio.to_image(audio.read(spoken_words._said("f2", word, 170, 50)))[0].astype(int)
        for word in ("window", "window", "salt")
    )
    assert np.array_equal(one, same)
    assert np.abs(one - other).mean() > 10


def test_a_folder_of_words_is_read_by_its_names(tmp_path, capsys):
    words = {"ann/yes": _tone(300), "ann/yes_2": _tone(310), "bob/yes": _tone(500)}
    _write(tmp_path, words | {"bob/no": _tone(400, 1.0), "bob/hush": np.zeros(8000)})
    (tmp_path / "bob" / "notes.txt").write_text("no recording")
    shape, framing = datasets.shape_and_framing("words_folder", str(tmp_path))
    assert shape == audio.SHAPE
    found = datasets.load("words_folder", "train", shape, tmp_path, framing)
    assert found.files == ("ann/yes.wav", "ann/yes_2.wav", "bob/no.wav", "bob/yes.wav")
    assert [found.label_names[label] for label in found.labels] == ["yes", "yes", "no", "yes"]
    assert found.speakers.tolist() == [0, 0, 1, 1]
    said = capsys.readouterr().err
    assert "Left out, since they cannot be used: bob/hush.wav (it is silent)." in said
    assert "Of 1 recordings longer than 0.8 s the end was left out." in said
    assert len(datasets.listing("words_folder", str(tmp_path)) or ()) == 5
    own = datasets.load_own("spoken_words_small", shape, tmp_path, framing)
    assert np.array_equal(own.images, found.images)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (None, r"which recordings\? Give --data_dir=FOLDER"),
        ({}, "has no recordings; give a folder with a folder per speaker in it: speaker/word.wav"),
        ({"ann/hush": np.zeros(8000)}, "none of the 1 recordings in .* ann/hush.wav: it is silent"),
        ({"ann/ah": _tone(300, 0.05)}, "ann/ah.wav: it is shorter than 0.1 s"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_sentence(words, part, tmp_path):
    _write(tmp_path, words or {})
    with pytest.raises(UserError, match=part):
        words_folder.read("words_folder", "train", tmp_path if words is not None else None, 0, 0)


def test_words_come_in_one_size_only(tmp_path):
    for name in ("words_folder", "spoken_words_small"):
        with pytest.raises(UserError, match=f"{name} has images of 40x40 pixels only"):
            datasets.shape_and_framing(name, str(tmp_path), image_size=64)


@pytest.mark.parametrize(
    ("of", "part"),
    [
        (None, "which these images do not say; give --dataset=spoken_words_small"),
        (np.zeros(4, int), "one speaker only; add recordings of others"),
        (np.array([0, 0, 1]), "1 of 2 speakers have one recording only"),
    ],
)
def test_what_cannot_be_paired_is_one_sentence(of, part):
    with pytest.raises(UserError, match=part):
        speakers.check(of)


def test_each_recording_meets_all_others_of_its_speaker_and_all_of_other_speakers():
    import tensorflow as tf

    of = np.array([2, 0, 1, 0, 2, 1, 0])
    for stream in speakers.STREAMS:
        partner = speakers.partner(stream, of, seed=3)
        positions = tf.range(200, dtype=tf.int64)
        for index in range(len(of)):
            met = tf.map_fn(
                lambda position, index=index, partner=partner: partner(
                    tf.constant(index, tf.int64), position
                ),
                positions,
            )
            same = of == of[index]
            expected = same & (np.arange(len(of)) != index) if stream == "same_speaker" else ~same
            assert set(met.numpy()) == set(np.flatnonzero(expected))


def test_batches_hold_partners_that_go_on_where_training_stopped():
    images = np.arange(12, dtype=np.uint8)[:, None, None, None].repeat(8, axis=1)
    image_set = ImageSet(images, speakers=np.arange(12) % 3)

    def batches(start):
        found = datasets.batches(
            image_set, 4, seed=1, start_step=start, reads=("image", *speakers.STREAMS)
        )
        return [
            {name: np.round((values[:, 0, 0, 0] + 1) * 127.5).astype(int) for name, values in batch}
            for batch in (
                [(name, values.numpy()) for name, values in batch.items()]
                for batch in found.take(4)
            )
        ]

    first, later = batches(0), batches(2)
    for batch in first:
        assert np.array_equal(batch["same_speaker"] % 3, batch["image"] % 3)
        assert (batch["same_speaker"] != batch["image"]).all()
        assert (batch["other_speaker"] % 3 != batch["image"] % 3).all()
    for one, two in zip(first[2:], later[:2], strict=True):
        assert {name: values.tolist() for name, values in one.items()} == {
            name: values.tolist() for name, values in two.items()
        }
    alone = datasets.batches(image_set, 4, seed=1)
    assert np.array_equal(
        np.round((next(iter(alone))["image"][:, 0, 0, 0] + 1) * 127.5), first[0]["image"]
    )
