"""What of the sequence autoencoder is the paper's: the objective, who gets which vector, and that
nothing after a word's end counts.
"""

import dataclasses

import keras
import numpy as np
import pytest
from conftest import SHAPE, TINY, refusal, succeed_here

from keras_infogan import loaded, models, trained
from keras_infogan.capabilities import IncapableError
from keras_infogan.config import UserError

SETTINGS = TINY["sequence_autoencoder"]
STREAMS = ("image", "same_speaker", "other_speaker")


@pytest.fixture(scope="module")
def model():
    return models.build("sequence_autoencoder", SETTINGS, SHAPE)


@pytest.fixture
def words(batch):
    """Words of 1 to 8 frames."""
    lengths, found = np.arange(16) % 8 + 1, {}
    for shift, name in enumerate(STREAMS):
        images = batch[name].numpy()
        lasts = np.arange(8) < np.roll(lengths, shift)[:, None]
        images[:, :, -1, 0] = np.where(lasts, 1, -1)
        found[name] = keras.ops.convert_to_tensor(images)
    return found


def _vectors(model, words):
    """Returns phonetic and speaker vectors of each stream."""
    vectors = [model.encode(words[name]).numpy() for name in STREAMS]
    return [one[:, :6] for one in vectors], [one[:, 6:] for one in vectors]


def test_the_decoder_gets_the_speaker_of_the_other_recording(model, words):
    phonetic, speaker = _vectors(model, words)
    latents = np.concatenate([phonetic[0], speaker[1]], axis=1)
    features, logits = (part.numpy() for part in model.decoder(latents))
    target = words["image"].numpy()[..., 0]
    lasts = target[:, :, -1] > 0
    squares = [np.mean((features[row] - target[row, :, :-1])[lasts[row]] ** 2) for row in range(16)]
    chances = 1 / (1 + np.exp(-logits))
    length = -np.log(np.where(lasts, chances, 1 - chances)).mean(axis=1)
    losses, logged = model.objectives(words)
    assert logged["reconstruction"].numpy() == pytest.approx(np.sqrt(squares), abs=1e-4)
    assert logged["length"].numpy() == pytest.approx(length, rel=1e-4)
    together = np.mean((speaker[0] - speaker[1]) ** 2, axis=1)
    apart = np.maximum(0, 1 - np.linalg.norm(speaker[0] - speaker[2], axis=1))
    assert logged["speaker/together"].numpy() == pytest.approx(together, rel=1e-4)
    assert logged["speaker/apart"].numpy() == pytest.approx(apart, abs=1e-4)
    same, other = (
        model.adversary(np.concatenate([phonetic[0], second], axis=1)).numpy()[:, 0]
        for second in phonetic[1:]
    )
    assert logged["seen_speaker"].numpy() == pytest.approx(same - other, abs=1e-5)
    weights = {"seen_speaker": SETTINGS.adversary_weight}
    assert losses["autoencoder"].numpy() == pytest.approx(
        sum(weights.get(name, 1) * value.numpy() for name, value in logged.items()), rel=1e-4
    )


def test_a_plain_autoencoder_keeps_its_own_speaker_vector(model, words):
    plain = dataclasses.replace(
        SETTINGS, swap_speaker=False, speaker_weight=0.0, adversary_weight=0.0
    )
    plain = models.build("sequence_autoencoder", plain, SHAPE)
    losses, logged = plain.objectives(words)
    assert "seen_speaker" not in logged
    assert list(plain.players) == ["autoencoder"]
    assert losses["autoencoder"].numpy() == pytest.approx(
        (logged["reconstruction"] + logged["length"]).numpy(), rel=1e-6
    )
    # Who else speaks makes no difference to it.
    others = words | {"same_speaker": words["other_speaker"]}
    again = plain.objectives(others)[0]["autoencoder"].numpy()
    assert again == pytest.approx(losses["autoencoder"].numpy(), rel=1e-6)
    swapped = model.objectives(others)[1]["reconstruction"].numpy()
    assert np.abs(swapped - model.objectives(words)[1]["reconstruction"].numpy()).max() > 1e-4


def test_nothing_after_the_end_of_a_word_counts(model, words):
    other = {}
    for name, images in words.items():
        images = images.numpy().copy()
        images[:, :, :-1][images[:, :, -1, 0] < 0] = 0.7
        other[name] = keras.ops.convert_to_tensor(images)
    assert np.array_equal(model.encode(words["image"]), model.encode(other["image"]))
    one, two = (model.objectives(found)[0]["autoencoder"].numpy() for found in (words, other))
    assert np.array_equal(one, two)


def test_instance_norm_keeps_gain_and_level_of_a_feature_from_the_phonetic_vector(model, words):
    unnormed = models.build(
        "sequence_autoencoder", dataclasses.replace(SETTINGS, instance_norm=False), SHAPE
    )
    # Of few frames the deviation can be next to none.
    images = words["image"].numpy()[np.arange(16) % 8 > 2]
    louder = images.copy()
    louder[:, :, :-1, 0] = louder[:, :, :-1, 0] * np.linspace(1, 2, 7) + np.linspace(-1, 1, 7)
    louder[:, :, :-1][images[:, :, -1, 0] < 0] = 0.7  # what is not of the word does not count
    (phonetic, speaker), (of_louder, speaker_of_louder) = (
        np.split(model.encode(found).numpy(), [6], axis=1) for found in (images, louder)
    )
    assert of_louder == pytest.approx(phonetic, abs=0.03)
    assert np.abs(speaker_of_louder - speaker).max() > 0.1
    without = [unnormed.encode(found).numpy()[:, :6] for found in (images, louder)]
    assert np.abs(without[1] - without[0]).max() > 0.1


def test_an_adversary_that_sees_nothing_is_pulled_to_a_gradient_of_length_one(model, words):
    """The penalty of a score that is the same everywhere is its weight."""
    kernel = model.adversary.layers[-1].kernel
    before = kernel.numpy()
    kernel.assign(np.zeros_like(before))
    pairs = model._pairs(model._vectors(model.phonetic_encoder, words, STREAMS, training=False))
    losses, logged = model._adversary_objective(pairs, use=0)
    assert logged["adversary_penalty"].numpy() == pytest.approx(10, rel=0.01)
    kernel.assign(before)
    losses, logged = model._adversary_objective(pairs, use=0)
    assert (logged["adversary_penalty"] - losses["adversary"]).numpy() == pytest.approx(
        model._seen(pairs).numpy(), abs=1e-5
    )


def test_the_released_code_squares_the_difference(model, words):
    squared = models.build(
        "sequence_autoencoder", dataclasses.replace(SETTINGS, adversary_loss="squared"), SHAPE
    )
    seen, expected = (found.objectives(words)[1]["seen_speaker"] for found in (squared, model))
    assert seen.numpy() == pytest.approx(expected.numpy() ** 2, abs=1e-5)


def test_a_decoded_word_is_black_after_its_end(model):
    latents = np.random.default_rng(0).normal(size=(5, 9)).astype(np.float32)
    images = model.decode(latents).numpy()
    assert images.shape == (5, *SHAPE)
    features, logits = model.decoder(latents)
    lasts = 1 / (1 + np.exp(-logits.numpy()))
    assert images[:, :, -1, 0] == pytest.approx(2 * lasts - 1, abs=1e-5)
    assert images[:, :, :-1, 0] == pytest.approx(
        lasts[..., None] * (features.numpy() + 1) - 1, abs=1e-5
    )


def test_what_it_can_do(model):
    face = trained.TrainedLearner(model)
    assert face.capabilities == ("decode", "encode", "reconstruct")
    with pytest.raises(IncapableError, match="a sequence autoencoder cannot generate from latents"):
        face.sample(1, seed=0)


def test_words_are_said_in_other_voices(run_of, tmp_path):
    run = run_of("sequence_autoencoder")
    printed = succeed_here("convert", f"--run_dir={run}", f"--output_dir={tmp_path}", "--num=2")
    written = {path.name for path in tmp_path.iterdir()}
    assert {"conversions.png", "word_1.wav", "voice_2.wav", "word_2_voice_1.wav"} <= written
    assert len(written) == 1 + 2 + 2 + 4 == len(printed.splitlines())
    own = tmp_path / "own"
    arguments = [f"--{name}={tmp_path / 'word_1.wav'}" for name in ("word", "voice")]
    succeed_here("convert", f"--run_dir={run}", f"--output_dir={own}", *arguments)
    assert (own / "word_1_voice_1.wav").stat().st_size > 44


def test_a_table_of_vectors_and_scores(run_of, tmp_path):
    run, table = run_of("sequence_autoencoder"), tmp_path / "vectors.csv"
    succeed_here("encode", f"--run_dir={run}", "--split=test", f"--output={table}")
    header, *rows = table.read_text().splitlines()
    assert header.startswith("image,label,phonetic_1,phonetic_2")
    assert header.endswith("speaker_15,speaker_16")
    assert len(rows) == 80
    printed = succeed_here("evaluate", f"--run_dir={run}", "--metrics=speech,labels,real")
    assert "word_accuracy: phonetic" in printed
    assert "speaker_accuracy: phonetic" in printed


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (
            ["--dataset=spoken_words_small", "--adversary_loss=hinge"],
            "--adversary_loss must be one of",
        ),
        (["--dataset=digits"], "learns from who speaks, which these images do not say"),
    ],
)
def test_what_it_cannot_train_on_is_one_sentence(arguments, part, tmp_path):
    refused = refusal(
        "train", "--model=sequence_autoencoder", f"--run_dir={tmp_path / 'run'}", *arguments
    )
    assert part in refused


def test_colors_are_no_features():
    with pytest.raises(UserError, match="takes one channel, with features and a mask"):
        models.build("sequence_autoencoder", SETTINGS, (8, 8, 3))


def test_an_export_encodes_and_decodes(exported_untrained):
    _, model, directory = exported_untrained("sequence_autoencoder")
    assert {path.stem for path in directory.glob("*.onnx")} == {
        "decoder",
        "recognizer",
        "reconstructor",
    }
    files = loaded.load(directory)
    images = np.random.default_rng(0).integers(0, 256, (3, *SHAPE), dtype=np.uint8)
    vectors = files.encode(images)
    assert {name: values.shape for name, values in vectors.items()} == {
        "phonetic": (3, 6),
        "speaker": (3, 3),
    }
    decoded = files.decode(**vectors)
    assert np.abs(decoded.astype(int) - files.reconstruct(images)).max() <= 1
    # The first word in the voice of the second.
    phonetic, speaker = vectors["phonetic"][:1], vectors["speaker"][1:2]
    expected = loaded.Loaded(model).decode(phonetic=phonetic, speaker=speaker).astype(int)
    assert np.abs(files.decode(phonetic=phonetic, speaker=speaker) - expected).max() <= 1
    for wrong in ({}, {"phonetic": phonetic}, {"phonetic": phonetic, "speaker": phonetic}):
        with pytest.raises(
            UserError, match=r"expected phonetic \(count, 6\), speaker \(count, 3\)"
        ):
            files.decode(**wrong)
