"""Recordings as images and back."""

import io

import numpy as np
import pytest
from scipy.io import wavfile

from keras_infogan import audio
from keras_infogan.datasets import to_float


def tone(frequency, seconds=0.4, rate=audio.RATE):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


def file(samples, rate=audio.RATE):
    data = io.BytesIO()
    wavfile.write(data, rate, samples)
    return data.getvalue()


def test_an_image_says_how_long_a_word_is_and_which_notes_it_has():
    silence = np.zeros(audio.RATE // 4)
    low, high = (
        audio.to_image(np.concatenate([silence, tone(frequency), silence]))[0]
        for frequency in (300, 3000)
    )
    assert low.shape == audio.SHAPE
    length = int(audio.lengths(to_float(low[None]))[0])
    assert length == pytest.approx(0.4 / audio.HOP_SECONDS, abs=1)
    assert not low[length:].any()
    loudest = [int(image[length // 2, : audio.NUM_BANDS, 0].argmax()) for image in (low, high)]
    assert loudest[0] < 10 < 20 < loudest[1]


def test_loudness_makes_no_difference():
    assert np.array_equal(audio.to_image(tone(500))[0], audio.to_image(0.1 * tone(500))[0])


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_any_rate_and_type_is_read(rate):
    samples = tone(700, rate=rate)
    expected = audio.to_image(tone(700))[0].astype(int)
    for data in (
        file((samples * 32767).astype(np.int16), rate),
        file((samples * 127 + 128).astype(np.uint8), rate),
        file(np.stack([samples, samples], axis=1).astype(np.float32), rate),
    ):
        found = audio.to_image(audio.read(data))[0].astype(int)
        loud = expected > 150
        assert np.abs(found - expected)[loud].mean() < 12


def test_a_file_that_is_written_is_read_again():
    samples = tone(700)
    assert audio.read(audio.wav(samples)) == pytest.approx(samples, abs=1e-4)


def test_sound_made_of_an_image_has_that_image():
    sweep = tone(np.linspace(300, 900, int(0.4 * audio.RATE)))
    image = audio.to_image(sweep)[0]
    again = audio.to_image(audio.to_samples(to_float(image)))[0]
    loud = image[..., 0] > 200
    assert np.abs(image[loud].astype(int) - again[loud]).mean() < 20  # of 255: 5 dB


def test_a_longer_word_is_cut():
    image, lost = audio.to_image(tone(500, seconds=1.0))
    assert audio.lengths(to_float(image[None])) == audio.NUM_FRAMES
    assert lost == pytest.approx(1.0 / audio.HOP_SECONDS - audio.NUM_FRAMES, abs=1)


@pytest.mark.parametrize(
    ("samples", "part"),
    [
        (np.zeros(8000), "it is silent"),
        (np.zeros(0), "it is silent"),
        (tone(500, seconds=0.05), "it is shorter than 0.1 s"),
    ],
)
def test_what_is_no_word_is_said(samples, part):
    with pytest.raises(ValueError, match=part):
        audio.to_image(samples)


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "no WAV file that can be read"),
        (b"RIFF", "no WAV file that can be read"),
        (file(np.full(9000, np.nan)), "not finite"),
        (file(np.full(9000, 1e200)), "are no sound"),
        (file(np.zeros(9000), 1), "are no rate of sound"),
    ],
)
def test_a_damaged_file_is_said(data, part):
    with pytest.raises(ValueError, match=part):
        audio.read(data)
