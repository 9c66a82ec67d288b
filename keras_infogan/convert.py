"""Says words in other voices: python -m keras_infogan.convert --run_dir=runs/spoken_words-...

For a model that keeps what is said apart from who says it: a word is decoded from its own phonetic
vector and the speaker vector of another recording. Writes to --output_dir (default: conversions/ in
the run directory, or beside the exported file):
    conversions.png          spectrograms, time to the right, high notes above: the words on the
                             left, the voices above, and each word in each voice
    word_<m>.wav             the words
    voice_<n>.wav            the voices
    word_<m>_voice_<n>.wav   what was made of them

All sound comes out of spectrograms by Griffin and Lim's algorithm, that of words and voices too, so
that what differs is the model's doing. By default some words and voices of the test split; or your
own:

    python -m keras_infogan.convert --run_dir=runs/spoken_words-... --word=hello.wav \\
        --voice=somebody.wav
"""

import io
import pathlib

import numpy as np
from absl import flags

from keras_infogan import audio, config, datasets, files, images, model_source
from keras_infogan.config import UserError

FLAGS = flags.FLAGS


def convert(model, words, voices):
    """Returns words in other voices, float32 (words, voices, height, width, 1) in [-1, 1].

    Args:
      model: a Trained whose vectors are "phonetic" and "speaker".
      words, voices: recordings, float32 (count, height, width, 1) in [-1, 1].
    """
    spec = model.latent_spec
    parts = spec.unpack(np.repeat(model.encode(words), len(voices), axis=0))
    parts["speaker"] = np.tile(spec.unpack(model.encode(voices))["speaker"], (len(words), 1))
    converted = model.decode(spec.pack(parts))
    return converted.reshape(len(words), len(voices), *words.shape[1:])


def picture(words, voices, converted):
    """Returns a Pillow image: words in the first column, voices in the first row."""
    corner = np.ones_like(words[:1])
    rows = [corner, voices] + [
        part for word, made in zip(words[:, None], converted, strict=True) for part in (word, made)
    ]
    spectrograms = np.concatenate(rows)[:, :, : audio.NUM_BANDS]
    return images.grid(spectrograms.transpose(0, 2, 1, 3)[:, ::-1], 1 + len(voices))


def write(words, voices, converted, output_dir):
    """Writes the picture and all sounds to a directory and returns their paths."""
    drawn = io.BytesIO()
    picture(words, voices, converted).save(drawn, "PNG")
    found = {"conversions.png": drawn.getvalue()}
    sounds = {f"word_{row + 1}": word for row, word in enumerate(words)}
    sounds |= {f"voice_{column + 1}": voice for column, voice in enumerate(voices)}
    sounds |= {
        f"word_{row + 1}_voice_{column + 1}": made
        for row, several in enumerate(converted)
        for column, made in enumerate(several)
    }
    found |= {f"{name}.wav": audio.wav(audio.to_samples(made)) for name, made in sounds.items()}
    for name, data in found.items():
        files.write_atomically(output_dir / name, data)
    return [output_dir / name for name in found]


def _chosen(run, data_dir, num, seed):
    """Returns recordings of `num` words, and of `num` speakers, of the run's test split."""
    split = datasets.evaluation_split(run.dataset, data_dir)
    found = datasets.load(run.dataset, split, run.image_shape, data_dir, run.framing)
    order = np.random.default_rng(seed).permutation(len(found.images))
    return [
        datasets.to_float(found.images[order[np.unique(of[order], return_index=True)[1][:num]]])
        for of in (found.labels, found.speakers)
    ]


def _read(flag, path):
    try:
        image, _ = audio.to_image(audio.read(files.read(pathlib.Path(path))))
    except ValueError as error:
        raise UserError(f"--{flag}={path} cannot be used: {error}; give another.") from None
    return datasets.to_float(image[None])


def define_flags():
    model_source.define_flags("recognizer.onnx, beside which decoder.onnx lies")
    config.define_path("word", None, "a WAV file: the word to be said.")
    config.define_path("voice", None, "a WAV file: who is to say it.")
    config.define_path(
        "output_dir",
        None,
        "where pictures and sounds go; default: conversions/ in the run directory, or beside "
        "the exported file.",
    )
    flags.DEFINE_integer(
        "num",
        4,
        "words, and voices, of the test split where none are given.",
        lower_bound=1,
        upper_bound=20,
    )
    flags.DEFINE_integer("seed", 0, "seed by which those are chosen.", lower_bound=0)
    flags.DEFINE_string(
        "data_dir", None, "where the data set lies now, if not where it was trained from."
    )


def main():
    if bool(FLAGS.word) != bool(FLAGS.voice):
        raise UserError("give --word and --voice, or neither for some of the test split.")
    run, load = model_source.chosen(needs=("encode", "decode"))
    model = load()
    words, voices = (
        (_read("word", FLAGS.word), _read("voice", FLAGS.voice))
        if FLAGS.word
        else _chosen(run, config.user_path(FLAGS.data_dir) or run.data_dir, FLAGS.num, FLAGS.seed)
    )
    output_dir = files.output_directory(FLAGS.output_dir or run.directory / "conversions")
    print(*write(words, voices, convert(model, words, voices), output_dir), sep="\n")
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
