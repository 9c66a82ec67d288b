"""Recordings of single words as images, and back: the log-mel spectrogram of a word, in a window of
fixed size.

Row t of an image is the t-th frame of `HOP_SECONDS`, its first `NUM_BANDS` columns are the energies
of the mel bands, from low to high, in decibels below the word's loudest: black is -60 dB or less,
white 0 dB. The last column, white as long as the word lasts and black after it, is the mask: how
long a word is says the recording, not whether a feature happens to be 0.

So words are images of a run like any other: 8 bits per number on disk, float32 in [-1, 1] inside.
"""

import functools
import io
import warnings
import wave

import numpy as np

# SciPy's parts are imported where they are used: half a second that other data need not wait.

RATE = 16_000  # samples per second
_HOP, _WINDOW = 320, 1024  # samples
HOP_SECONDS = _HOP / RATE
NUM_FRAMES, NUM_BANDS = 40, 39
SHAPE = (NUM_FRAMES, NUM_BANDS + 1, 1)
_LOWEST, _HIGHEST = 60.0, 7600.0  # Hz, of the bands
_RANGE = 60.0  # dB
# What is softer by this than the loudest frame, before and after a word, is no part of it.
_SILENCE = 40.0  # dB
_SHORTEST = 5  # frames
# Below it a recording is silence: 16 bits have nothing there but their last ones.
_FAINTEST = 1e-3
_ITERATIONS = 100


def read(data):
    """Returns the samples of a WAV file, float (samples,) in [-1, 1], one channel, at `RATE`.

    Args:
      data: its bytes.

    Raises:
      ValueError: in a few words, if it cannot be read.
    """
    from scipy import signal
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            # Of what a program wrote to a pipe, not knowing how long it would become.
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            rate, samples = wavfile.read(io.BytesIO(data))
    except Exception as error:  # whatever damaged files make scipy raise
        raise ValueError(f"it is no WAV file that can be read ({error})") from None
    if samples.dtype == np.uint8:  # 8 bits have no sign
        samples = samples.astype(np.float64) / 128 - 1
    elif np.issubdtype(samples.dtype, np.integer):
        samples = samples / np.iinfo(samples.dtype).max
    if samples.ndim == 2:
        samples = samples.mean(axis=1)
    if not np.isfinite(samples).all():
        raise ValueError("its samples are not finite")
    if not 1_000 <= rate <= 768_000:
        raise ValueError(f"{rate} samples a second are no rate of sound")
    if np.abs(samples).max(initial=0) > 1e6:
        raise ValueError("its samples are no sound")
    if rate != RATE:
        divisor = np.gcd(rate, RATE)
        samples = signal.resample_poly(samples, RATE // divisor, rate // divisor)
    return np.asarray(samples, np.float64)


def wav(samples):
    """Returns samples, float in [-1, 1] at `RATE`, as the bytes of a WAV file of 16 bits."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return data.getvalue()


def to_image(samples):
    """Returns a recording of a word, float (samples,) at `RATE`, as an image, uint8 `SHAPE`, and
    how many frames of it the window did not hold.

    Raises:
      ValueError: in a few words, if it is silent, or shorter than a tenth of a second.
    """
    frames = len(samples) // _HOP
    loudness = np.sqrt(np.mean(samples[: frames * _HOP].reshape(frames, _HOP) ** 2, axis=1))
    if not frames or loudness.max() < _FAINTEST:
        raise ValueError("it is silent")
    (loud,) = np.nonzero(loudness > loudness.max() * 10 ** (-_SILENCE / 20))
    word = samples[loud[0] * _HOP : (loud[-1] + 1) * _HOP]
    length = len(word) // _HOP
    if length < _SHORTEST:
        raise ValueError(f"it is shorter than {_SHORTEST * HOP_SECONDS:g} s")
    power = np.abs(_spectrum(word)) ** 2 @ _bands().T
    decibels = 10 * np.log10(np.maximum(power[:length] / power.max(), 10 ** (-_RANGE / 10)))
    image, kept = np.zeros(SHAPE, np.uint8), min(length, NUM_FRAMES)
    image[:kept, :NUM_BANDS, 0] = np.round((decibels[:kept] / _RANGE + 1) * 255)
    image[:kept, NUM_BANDS] = 255
    return image, length - kept


def lengths(images):
    """Returns how many frames the words of images in [-1, 1] last, int (count,): those before the
    mask turns black.
    """
    return (images[:, :, NUM_BANDS, 0] > 0).cumprod(axis=1).sum(axis=1)


def to_samples(image):
    """Returns a recording, float (samples,) in [-1, 1] at `RATE`, of an image in [-1, 1]: a phase
    that fits the spectrogram is sought as by Griffin and Lim 1984, faster by Perraudin et al. 2013,
    equation 9.
    """
    length = int(lengths(image[None])[0])
    decibels = (image[:length, :NUM_BANDS, 0] - 1) / 2 * _RANGE
    power = np.where(decibels > -_RANGE, 10 ** (decibels / 10), 0)
    # Frames twice as close: more of a phase is given by its neighbors.
    between = np.arange(0, max(length - 0.5, 0), 0.5)
    power = np.stack([np.interp(between, np.arange(length), band) for band in power.T], axis=1)
    magnitude = np.sqrt(np.maximum(power @ np.linalg.pinv(_bands()).T, 0))
    found = previous = magnitude.astype(complex)
    for _ in range(_ITERATIONS):
        consistent = _spectrum(_inverse(found, _HOP // 2), _HOP // 2)[: len(magnitude)]
        faster = consistent + 0.99 * (consistent - previous)
        previous, found = consistent, magnitude * np.exp(1j * np.angle(faster))
    samples = _inverse(found, _HOP // 2)[: length * _HOP]
    return samples / max(np.abs(samples).max(initial=0), 1e-9) * 0.9


def _spectrum(samples, hop=_HOP):
    """Returns the short-time Fourier transform, (frames, frequencies)."""
    from scipy import signal

    return signal.stft(samples, RATE, nperseg=_WINDOW, noverlap=_WINDOW - hop)[2].T


def _inverse(spectrum, hop):
    """Returns the samples of a short-time Fourier transform (frames, frequencies)."""
    from scipy import signal

    return signal.istft(spectrum.T, RATE, nperseg=_WINDOW, noverlap=_WINDOW - hop)[1]


@functools.cache
def _bands():
    """Returns the weight of each frequency in each band, (bands, frequencies): triangles equally
    wide on the mel scale, 2595 log10(1 + f / 700).
    """
    lowest, highest = 2595 * np.log10(1 + np.array([_LOWEST, _HIGHEST]) / 700)
    edges = 700 * (10 ** (np.linspace(lowest, highest, NUM_BANDS + 2) / 2595) - 1)
    frequencies = np.linspace(0, RATE / 2, _WINDOW // 2 + 1)
    low, middle, high = (edges[start : start + NUM_BANDS, None] for start in range(3))
    return np.clip(
        np.minimum((frequencies - low) / (middle - low), (high - frequencies) / (high - middle)),
        0,
        None,
    )
