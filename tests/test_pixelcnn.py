"""What is the models' own that make an image pixel by pixel: what they may see, an exact
likelihood, and drawing that agrees with it.
"""

import dataclasses
import functools
import json

import numpy as np
import pytest
import scipy.special
import tensorflow as tf
from conftest import ARGUMENTS, TINY, refusal, succeed_here, untrained
from PIL import Image

import keras_infogan
from keras_infogan import contract, datasets, masked, models, onnx_model, trained
from keras_infogan.config import UserError
from keras_infogan.export import exporting, parity, to_onnx, to_saved_model

GRAY, COLOR = (5, 4, 1), (3, 4, 3)
ARCHITECTURES = [
    ("pixelcnn", "plain"),
    ("pixelcnn", "gated"),
    ("pixelrnn", "row"),
    ("pixelrnn", "diagonal"),
]
# Shape, levels, features: with 4 the three channels have parts of unequal width; labels.
CASES = [(GRAY, 2, 6, 0), (COLOR, 4, 6, 0), (COLOR, 4, 4, 3)]


@functools.cache
def _model(name, architecture, shape, levels, filters=6, num_classes=0):
    settings = dataclasses.replace(
        TINY[name],
        architecture=architecture,
        levels=levels,
        filters=filters,
        blocks=2,
        noise_size=0,
        conditional=num_classes > 0,
        codes=f"kind=categorical({num_classes})" if num_classes else "",
    )
    return models.build(name, settings, shape)


def _logits(model, values, labels=()):
    """Returns the logits of each number of images, numpy (batch, numbers, levels), of a conditional
    model given their labels, int (batch,).
    """
    values = tf.constant(values)
    label = [tf.one_hot(labels, model.num_classes)] if model.num_classes else []
    logits, _ = model._predicted(values, model._nothing_above(values), label)
    return logits.numpy().reshape(len(values), -1, model.settings.levels)


@pytest.mark.parametrize(("name", "architecture"), ARCHITECTURES)
@pytest.mark.parametrize(("shape", "levels", "filters", "num_classes"), CASES)
def test_a_number_moves_what_comes_after_it_and_nothing_else(
    name, architecture, shape, levels, filters, num_classes
):
    """In the order row, column, channel; over several weights, for one may be deaf by chance."""
    model, generator, count = (
        _model(name, architecture, shape, levels, filters, num_classes),
        np.random.default_rng(0),
        int(np.prod(shape)),
    )
    moved, told = np.zeros((count, count), bool), np.zeros(count, bool)
    for _ in range(8):
        for variable in model.trainable_variables:
            variable.assign(generator.normal(0, 0.3, variable.shape))
        values = np.repeat(generator.integers(0, levels, (1, count)), count + 1, axis=0)
        values[range(count), range(count)] = (values[range(count), range(count)] + 1) % levels
        values = values.reshape(-1, *shape).astype(np.float32)
        logits = _logits(model, values, [1] * len(values))
        moved |= np.abs(logits[:-1] - logits[-1]).max(axis=-1) > 1e-6
        others = _logits(model, values, [2] * len(values))
        told |= (np.abs(logits - others) > 1e-6).any(axis=(0, 2))
    assert not np.tril(moved).any()
    assert (told == (num_classes > 0)).all()  # a label moves all
    after = moved[np.triu_indices(count, 1)]
    # Two plain blocks have a blind spot at the right (Section 2.1 of arXiv 1606.05328).
    assert after.all() if architecture == "gated" else after.mean() > 0.95


@pytest.mark.parametrize(("name", "architecture"), ARCHITECTURES)
@pytest.mark.parametrize(("shape", "levels", "filters", "num_classes"), CASES)
def test_drawn_then_scored_agrees(name, architecture, shape, levels, filters, num_classes):
    """Each number drawn is that which its share of the distribution function, by the logits of the
    whole image, asks for; and the likelihood is the product of their probabilities, of a
    conditional model the mean over labels.
    """
    model = _model(name, architecture, shape, levels, filters, num_classes)
    face, latents = trained.TrainedLearner(model), model.latent_spec.sample(4, seed=1)
    images, noise = face.generate(latents), latents[:, : model.latent_spec.noise.size]
    values = np.round((images + 1) / 2 * (levels - 1)).astype(np.float32)
    label = model.latent_spec.values(latents).get("kind")

    def log_probabilities(label):
        return scipy.special.log_softmax(_logits(model, values, label), axis=-1)

    function = np.exp(log_probabilities(label)).cumsum(axis=-1)[..., :-1]
    expected = (function <= (noise[..., None] + 1) / 2).sum(axis=-1)
    assert np.array_equal(values.reshape(expected.shape), expected)
    assert len(np.unique(values)) == levels

    nats = np.stack(
        [
            np.take_along_axis(log_probabilities([one] * 4), expected[..., None], axis=-1)[..., 0]
            for one in range(max(num_classes, 1))
        ]
    )
    # Of each label, image and pixel; with those of the pixels before.
    nats = nats.reshape(len(nats), 4, -1, shape[-1]).sum(axis=-1)
    so_far = scipy.special.logsumexp(nats.cumsum(axis=2), axis=0) - np.log(len(nats))
    assert face.log_likelihood(images) == pytest.approx(so_far[:, -1], rel=1e-5)
    surprise = -np.diff(so_far, axis=1, prepend=0).reshape(4, *shape[:2])
    assert face.surprise(images) == pytest.approx(surprise, abs=1e-4)
    assert ("classify" in face.capabilities) == bool(num_classes)
    if num_classes:
        expected = scipy.special.softmax(nats.sum(axis=2).T, axis=1)
        assert face.classify(images) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("num_classes", [0, 2])
def test_all_images_of_three_pixels_have_the_probability_one(num_classes):
    model = _model("pixelcnn", "plain", (1, 3, 1), 3, num_classes=num_classes)
    every = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), axis=-1).reshape(27, 1, 3, 1)
    nats = trained.TrainedLearner(model).log_likelihood(every.astype(np.float32))
    assert np.exp(nats).sum() == pytest.approx(1, abs=1e-5)


def test_a_conditional_model_completes_with_labels_that_fit_what_is_known():
    model = _model("pixelcnn", "gated", (1, 3, 1), 2, num_classes=2)
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0, 1.2, variable.shape))
    # The first pixel is white, and all that there can be after it.
    every = np.stack(np.meshgrid([1], [-1, 1], [-1, 1]), axis=-1).reshape(4, 1, 3, 1)
    every = every.astype(np.float32)
    face, known = trained.TrainedLearner(model), np.zeros((4000, 1, 3, 1), np.float32)
    known[:, :, 0] = 1
    drawn = face.complete(every[:1].repeat(4000, axis=0), known, seed=0)
    found = [np.mean(np.all(drawn == one, axis=(1, 2, 3))) for one in every]
    expected = scipy.special.softmax(face.log_likelihood(every))
    assert found == pytest.approx(expected, abs=0.03)
    # Not each label as often, whatever is known.
    by_label = face.classify(every) * expected[:, None]
    assert np.abs((by_label / by_label.sum(axis=0)).mean(axis=1) - expected).max() > 0.1


def test_what_is_not_known_moves_nothing():
    model = _model("pixelcnn", "gated", (4, 4, 1), 2, num_classes=2)
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0, 1.2, variable.shape))
    face, known = trained.TrainedLearner(model), np.zeros((200, 4, 4, 1), np.float32)
    known[:, :, :2] = 1  # the left half, of which later rows come after unknown pixels
    black, white = (np.where(known == 1, 1.0, unknown).astype(np.float32) for unknown in (-1, 1))
    assert np.array_equal(face.complete(black, known, seed=0), face.complete(white, known, seed=0))


def test_what_is_known_stays_and_what_is_not_is_drawn():
    model = trained.TrainedLearner(_model("pixelcnn", "plain", COLOR, 4))
    images, known = model.sample(3, seed=0), np.zeros((3, *COLOR[:2], 1), np.float32)
    known[:, :2] = 1
    completed = model.complete(images, known, seed=5)
    assert np.array_equal(completed[:, :2], images[:, :2])
    assert not np.array_equal(completed[:, 2:], images[:, 2:])
    # Nothing known: a sample of the same seed.
    assert np.array_equal(model.complete(images, 0 * known, seed=0), images)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("A", [[1, 1, 1], [1, 0, 0]]),
        ("B", [[1, 1, 1], [1, 1, 0]]),
        ("above", [[1, 1, 1], [0, 0, 0]]),
        ("all", [[1, 1, 1], [1, 1, 1]]),
    ],
)
def test_masks_of_gray_images(kind, expected):
    one = masked.channel_groups(1, 1)
    assert masked.mask(kind, 2, 3, one, one)[..., 0, 0].tolist() == expected


def test_a_mask_of_another_kind_is_one_sentence():
    one = masked.channel_groups(1, 1)
    with pytest.raises(
        ValueError, match="the kinds of masks are A, B, above and all; received 'C'"
    ):
        masked.mask("C", 2, 3, one, one)


def test_masks_of_channels_in_their_order():
    """R sees no channel of its own pixel, G sees R, B sees R and G (Figure 2)."""
    one, gates = masked.channel_groups(3, 3), masked.channel_groups(6, 3, parts=2)
    assert gates.tolist() == [0, 1, 2, 0, 1, 2]
    assert masked.mask("A", 1, 1, one, one)[0, 0].tolist() == [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
    assert masked.mask("B", 1, 1, one, gates)[0, 0].tolist() == [
        [1, 1, 1, 1, 1, 1],
        [0, 1, 1, 0, 1, 1],
        [0, 0, 1, 0, 0, 1],
    ]


def test_binary_images_are_drawn_anew_at_each_step(batch):
    model = models.build("pixelcnn", dataclasses.replace(TINY["pixelcnn"], levels=2), (8, 8, 1))
    one = model._binarized(batch["image"]).numpy()
    model.steps_taken.assign(1)
    other = model._binarized(batch["image"]).numpy()
    assert set(np.unique(one)) == {-1, 1}
    assert not np.array_equal(one, other)
    assert np.mean([one, other]) == pytest.approx(batch["image"].numpy().mean(), abs=0.05)


def test_pixels_drawn_before_training_stay_as_they_are(batch):
    settings = dataclasses.replace(TINY["pixelcnn"], levels=2, binarization="fixed")
    model = models.build("pixelcnn", settings, (8, 8, 1))
    assert model._binarized(batch["image"]) is batch["image"]
    assert model.likelihood["binarization"] == "fixed"
    for levels, others in ((2, {"binarization": "dynamic"}), (4, {})):
        model = _model("pixelcnn", "plain", GRAY, levels)
        assert model.likelihood.items() >= others.items()
        assert ("binarization" in model.likelihood) == (levels == 2)


def test_a_run_of_fixed_binarization_says_so_where_it_is_scored(tmp_path):
    runs = {}
    for kind in ("dynamic", "fixed"):
        runs[kind] = tmp_path / kind
        arguments = ("--devices=CPU:0", "--steps=2", "--batch_size=32", f"--binarization={kind}")
        model = ("--model=pixelcnn", *ARGUMENTS["pixelcnn"])
        succeed_here("train", *model, f"--run_dir={runs[kind]}", *arguments)
        printed = succeed_here(
            "evaluate", f"--run_dir={runs[kind]}", "--metrics=likelihood", "--num=100"
        )
        assert f"; binarization in training: {kind}" in printed
        content = json.loads((runs[kind] / "metrics.json").read_text())
        assert content["protocols"]["log_likelihood"].endswith(f"in training: {kind}")
        assert f"pixels of a {kind} binarization" in (runs[kind] / "report.html").read_text()
    nats = [
        json.loads((runs[kind] / "metrics.json").read_text())["scores"]["log_likelihood/exact"]
        for kind in runs
    ]
    assert nats[0] != nats[1]


def test_gray_images_are_no_images_of_a_binary_model():
    model = trained.TrainedLearner(_model("pixelcnn", "plain", GRAY, 2))
    gray, nothing = np.zeros((2, *GRAY), np.float32), np.zeros((2, *GRAY[:2], 1), np.float32)
    for refused in (
        model.log_likelihood,
        model.surprise,
        lambda images: model.complete(images, nothing + 1, seed=0),
    ):
        with pytest.raises(UserError, match="knows black and white pixels alone"):
            refused(gray)
    assert np.isfinite(model.log_likelihood(datasets.binarized(gray))).all()
    # What is not known may be anything.
    assert set(np.unique(model.complete(gray, nothing, seed=0))) == {-1, 1}


def test_images_of_another_size_and_masks_that_are_none_are_one_sentence():
    model = trained.TrainedLearner(_model("pixelcnn", "plain", GRAY, 2))
    larger = np.ones((2, 8, 8, 1), np.float32)
    expected = (
        r"images: expected \(count, 5, 4, 1\), the size that the model was trained on, received"
    )
    for refused in (model.log_likelihood, model.surprise):
        with pytest.raises(UserError, match=expected):
            refused(larger)
    with pytest.raises(UserError, match=expected):
        model.complete(larger, np.ones((2, 5, 4, 1)), seed=0)
    with pytest.raises(UserError, match=r"latents: expected \(count, 20\).*received \(2, 64\)"):
        model.generate(larger.reshape(2, 64))
    images = np.ones((2, *GRAY), np.float32)
    for known in (np.ones((2, 4, 5, 1)), np.full((2, 5, 4, 1), 0.5)):
        with pytest.raises(UserError, match=r"known: expected \(2, 5, 4, 1\) of 1, where a pixel"):
            model.complete(images, known, seed=0)


def test_sampling_larger_than_trained_is_one_sentence(tmp_path):
    message = refusal("sample", f"--run_dir={tmp_path}", "--image_size=64")
    assert "--image_size is chosen in training: a run makes images of that size" in message


@pytest.mark.parametrize("image_type", ["float32", "uint8"])
def test_an_exported_scorer_says_nothing_of_gray_pixels(tmp_path, image_type):
    """The graph itself, whoever runs it; what reads the file in Python says why."""
    run, model = untrained("pixelcnn", tmp_path, (4, 5, 1), levels=2, noise_size=20)
    agreed = dataclasses.replace(
        exporting.contract_of(run, {}),
        image_type=image_type,
        capabilities=("log_likelihood",),
        likelihood=model.likelihood,
    )
    assert to_onnx.write(agreed, run, model.learner, tmp_path) == ["scorer.onnx"]
    exported = keras_infogan.load(tmp_path / "scorer.onnx")
    images = np.ones((2, 4, 5, 1), np.float32)
    images[0, 2, 2], images[1, 3, 3] = 1 / 255, 0.5
    session, _ = onnx_model.open_session(tmp_path / "scorer.onnx")
    given = images if image_type == "float32" else (255 * images).astype(np.uint8)
    (nats,) = session.run(["log_likelihood"], {"images": given})
    assert np.isnan(nats).tolist() == [False, True]
    with pytest.raises(UserError, match="knows black and white pixels alone"):
        exported.log_likelihood(images)
    with pytest.raises(UserError, match=r"images: expected the shape \(count, 4, 5, 1\)"):
        exported.log_likelihood(np.ones((2, 28, 28, 1), np.float32))
    if image_type == "float32":
        to_saved_model.write(agreed, model.learner, tmp_path / "1")
        scorer = tf.saved_model.load(str(tmp_path / "1")).signatures["log_likelihood"]
        assert np.isfinite(scorer(images=tf.constant(images[:1]))["log_likelihood"]).all()
        with pytest.raises(tf.errors.InvalidArgumentError, match="images: expected 0, black, or 1"):
            scorer(images=tf.constant(images))


def test_noise_is_made_for_the_image_size():
    settings = dataclasses.replace(TINY["pixelcnn"], noise_size=0)
    assert settings.for_images(COLOR).latent_spec.size == 36
    with pytest.raises(UserError, match="--noise_size=7 does not fit images of 3x4x3 numbers"):
        dataclasses.replace(settings, noise_size=7).for_images(COLOR)


def test_pictures_of_halves_completed_and_of_surprise(run_of, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.new("L", (20, 20), "gray").save(folder / name)
    run = f"--run_dir={run_of('pixelcnn')}"
    succeed_here("sample", run, f"--complete={folder}", f"--output_dir={tmp_path}", "--rows=2")
    with Image.open(tmp_path / "completions.png") as picture:
        assert picture.size == (8 * 50 - 2, 2 * 50 - 2)
    arguments = (run, f"--images={folder}", f"--output={tmp_path / 'table.csv'}")
    succeed_here("encode", *arguments, f"--surprise={tmp_path / 'surprise.png'}")
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert lines[0] == "image,log_likelihood"
    assert all(float(line.split(",")[1]) < 0 for line in lines[1:])
    with Image.open(tmp_path / "surprise.png") as picture:
        assert picture.size == (4 * 50 - 2, 50 - 2)


@pytest.mark.parametrize("name", ["pixelcnn", "pixelrnn"])
def test_an_export_draws_and_scores_alike(exported_untrained, name):
    _, model, directory = exported_untrained(name)
    content, agreed = contract.read(directory / "generator.json")
    assert agreed.capabilities == ("generate", "log_likelihood")
    assert agreed.latent_spec == model.latent_spec
    assert agreed.latent_spec.noise.picks_pixels
    tipped = [row.get("images_with_a_tipped_pixel") for row in content["parity"]]
    assert len([number for number in tipped if number is not None]) == 6
    exported, images = onnx_model.load(directory / "generator.onnx"), model.sample(5, seed=2)
    assert exported.sample(5, seed=2) == pytest.approx(images, abs=1e-5)
    assert exported.log_likelihood(images) == pytest.approx(model.log_likelihood(images), rel=1e-4)
    assert exported.likelihood == model.likelihood


def test_a_conditional_run_goes_through_every_command(few_latents, tmp_path):
    directory, folder = tmp_path / "run", tmp_path / "images"
    data, generator = tmp_path / "data", np.random.default_rng(0)
    for kind, most in (("dark", 100), ("gray", 200), ("light", 256)):
        (data / kind).mkdir(parents=True)
        for number in range(20):
            pixels = generator.integers(0, most, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(data / kind / f"{number}.png")
    run = f"--run_dir={directory}"
    arguments = ("--devices=CPU:0", "--steps=2", "--batch_size=16", *ARGUMENTS["pixelcnn"])
    images_of = ("--dataset=folder", f"--data_dir={data}", "--image_size=8")
    model = ("--model=pixelcnn", "--conditional", "--codes=kind=categorical(3)", "--levels=2")
    succeed_here("train", *model, run, *images_of, *arguments)
    loaded_run = keras_infogan.load(directory)
    images = loaded_run.generate(kind=[1, 2], seed=1, num=2)
    succeed_here("sample", run, "--num=4", "--rows=1", "--format=npz", f"--output_dir={tmp_path}")
    assert np.load(tmp_path / "samples.npz")["code_kind"].shape == (4,)
    folder.mkdir()
    Image.fromarray(images[0, ..., 0]).save(folder / "one.png")
    succeed_here("sample", run, f"--complete={folder}", f"--output_dir={tmp_path}")
    succeed_here(
        "encode", run, f"--images={folder}", "--classes", f"--output={tmp_path / 'table.csv'}"
    )
    header, line = (tmp_path / "table.csv").read_text().splitlines()
    assert header == "image,class,class_probability,log_likelihood"
    assert line.split(",")[1] in loaded_run.classes == ("dark", "gray", "light")
    succeed_here("evaluate", run, "--metrics=likelihood,classes", "--num=100")
    scores = json.loads((directory / "metrics.json").read_text())["scores"]
    assert {"log_likelihood/exact", "classification_accuracy"} <= scores.keys()
    succeed_here("export", run, "--onnx_image_type=uint8")

    exported = keras_infogan.load(directory / "export")
    assert exported.capabilities == ("generate", "log_likelihood", "classify")
    assert np.array_equal(exported.generate(kind=[1, 2], seed=1, num=2), images)
    answers = exported.classify(images)["class_probabilities"]
    expected = loaded_run.classify(images)["class_probabilities"]
    assert answers == pytest.approx(expected, abs=1e-4)
    _, agreed = contract.read(directory / "export" / "generator.json")
    assert agreed.image_type == "uint8"
    inputs = {name: list(graph["inputs"]) for name, graph in agreed.to_json()["signatures"].items()}
    assert inputs["serving_default"] == ["kind", "noise"]
    assert inputs["from_seed"] == ["kind", "seed"]
    assert inputs["blend"] == ["kind", "noise"]


def test_images_without_labels_make_no_conditional_model(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("L", (8, 8), "gray").save(tmp_path / name)
    arguments = ("--dataset=folder", f"--data_dir={tmp_path}", "--image_size=8", "--batch_size=2")
    model = ("--model=pixelcnn", "--conditional", f"--run_dir={tmp_path / 'run'}")
    with pytest.raises(UserError, match="learns from labels, and these images have none; give"):
        succeed_here("train", *model, *arguments)


def test_a_pixel_that_tips_is_counted_and_too_many_are_refused(exported_untrained, monkeypatch):
    _, model, directory = exported_untrained("pixelcnn")
    _, agreed = contract.read(directory / "generator.json")
    generate = model.generate

    def tip(count):
        def other(latents):
            images = generate(latents).copy()
            images[:count, -1, -1] *= -1
            return images

        monkeypatch.setattr(model, "generate", other)
        return parity.measure(agreed, model, directory, ["generator.onnx"])

    assert [row["images_with_a_tipped_pixel"] for row in tip(2)] == [4]  # two in each part
    with pytest.raises(UserError, match="draws other pixels than Keras in"):
        tip(20)
