"""What is domain-adversarial training's own: who moves which way, its schedules, its data."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from conftest import SHAPE, TINY, refusal, serve_application, succeed_here
from PIL import Image

import keras_infogan
from keras_infogan import datasets, models, onnx_model, runs, training
from keras_infogan.config import UserError
from keras_infogan.datasets import ImageSet, mnist_m

# They come with extras.
exporting = pytest.importorskip("keras_infogan.export.exporting")
rest_application = pytest.importorskip("keras_infogan.serving.rest_application")
connect = pytest.importorskip("keras_infogan.serving.client").connect

SETTINGS = TINY["domain_adversarial"]
DOMAINS = ("source", "target")


def _gradients(model, batch):
    """Returns the gradient of each player's loss by all weights of the features, flat arrays."""
    with tf.GradientTape(persistent=True) as tape:
        minimized, logged = model.objectives(batch)
        losses = minimized | {"label_loss": logged["label_loss"], "domain": logged["domain_loss"]}
        means = {name: tf.reduce_mean(loss) for name, loss in losses.items()}
    return {
        name: np.concatenate(
            [
                np.ravel(gradient)
                for gradient in tape.gradient(mean, model.features.trainable_variables)
            ]
        )
        for name, mean in means.items()
    }


def test_features_go_against_the_domain_classifier_by_lambda(batch):
    model = models.build("domain_adversarial", SETTINGS, SHAPE)
    model.steps_taken.assign(1)
    gradients, weight = _gradients(model, batch), 2 / (1 + np.exp(-10 * 1 / 4)) - 1
    assert float(model._domain_weight()) == pytest.approx(weight)
    assert gradients["features"] == pytest.approx(
        gradients["label_loss"] - weight * gradients["domain"], abs=1e-6
    )
    # The others' losses are their own: the sign is that of the features alone.
    assert gradients["domain_classifier"] == pytest.approx(gradients["domain"])
    assert gradients["label_predictor"] == pytest.approx(gradients["label_loss"])


def test_at_first_and_at_weight_0_domains_move_no_features(batch):
    for settings, step in ((SETTINGS, 0), (dataclasses.replace(SETTINGS, domain_weight=0.0), 3)):
        model = models.build("domain_adversarial", settings, SHAPE)
        model.steps_taken.assign(step)
        gradients = _gradients(model, batch)
        assert gradients["features"] == pytest.approx(gradients["label_loss"], abs=1e-7)


def test_what_the_target_looks_like_is_nothing_to_the_normalized_source(batch):
    """Batch norm takes each data set by itself; the domain classifier sees both."""
    model = models.build("domain_adversarial", SETTINGS, SHAPE)
    seen = [
        model.objectives(batch | {"target_image": change(batch["target_image"])})[1]
        for change in (lambda images: images, lambda images: 0.5 * images[::-1] + 0.3)
    ]
    one, two = ([logged[f"{name}_loss"].numpy() for logged in seen] for name in ("label", "domain"))
    assert np.array_equal(*one)
    assert np.abs(two[1] - two[0]).max() > 1e-3


def test_trained_on_the_source_alone_nothing_of_the_target_is_in_the_moving_statistics(batch):
    for weight, same in ((0.0, True), (1.0, False)):
        model = models.build(
            "domain_adversarial", dataclasses.replace(SETTINGS, domain_weight=weight), SHAPE
        )
        statistics = []
        for images in (batch["target_image"], 0.5 * batch["target_image"] + 0.3):
            before = [variable.numpy() for variable in model.features.non_trainable_variables]
            model.objectives(batch | {"target_image": images})
            statistics.append([v.numpy() for v in model.features.non_trainable_variables])
            for variable, value in zip(model.features.non_trainable_variables, before, strict=True):
                variable.assign(value)
        assert all(map(np.array_equal, *statistics)) is same


def test_the_step_size_falls_as_the_paper_says():
    model = models.build("domain_adversarial", SETTINGS, SHAPE)
    optimizer = model.features_optimizer
    for step in (0, 2, 4):
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(
            0.01 / (1 + 10 * step / SETTINGS.steps) ** 0.75
        )


def test_in_turn_each_moves_at_what_the_others_have_become(batch):
    """The domain classifier, first in both orders, moves alike; the features, last, do not."""
    weights = []
    for order in ("together", "in_turn"):
        model = models.build(
            "domain_adversarial", dataclasses.replace(SETTINGS, order=order), SHAPE
        )
        model.steps_taken.assign(2)
        model.train_step(batch)
        weights.append(
            [
                np.concatenate([np.ravel(variable) for variable in network.trainable_variables])
                for network in (model.domain_classifier, model.features)
            ]
        )
    together, in_turn = weights
    assert in_turn[0] == pytest.approx(together[0], abs=1e-6)
    assert np.abs(in_turn[1] - together[1]).max() > 1e-6


def test_labels_of_the_target_are_never_read(monkeypatch, new_run):
    """Whatever they are, the run is the same."""
    read = []
    images = np.random.default_rng(0).integers(0, 256, (32, *SHAPE), dtype=np.uint8)
    source = ImageSet(images, labels=np.arange(32) % 3, label_names=("a", "b", "c"))

    class Unread(np.ndarray):
        def __array__(self, *arguments, **keywords):
            read.append(arguments)
            return super().__array__(*arguments, **keywords)

    labels = (np.arange(32) % 3).view(Unread)
    target = dataclasses.replace(source, images=images[::-1], labels=labels)
    monkeypatch.setattr(
        training.datasets,
        "load",
        lambda name, *arguments: target if name == "target" else source,
    )
    monkeypatch.setattr(training.datasets, "shape_and_framing", lambda *arguments: (SHAPE, None))
    run = dataclasses.replace(
        new_run("run"),
        model="domain_adversarial",
        settings=dataclasses.replace(SETTINGS, target_dataset="target"),
    )
    more = training._more_to_read(run, source)
    batch = next(iter(datasets.batches(source, 16, seed=0, **more)))
    assert batch.keys() == {"image", "label", "target_image"}
    assert read == []


def test_data_of_other_classes_are_one_sentence(monkeypatch, new_run):
    images = np.zeros((16, *SHAPE), np.uint8)

    def labeled(*names):
        return ImageSet(images, labels=np.arange(16) % len(names), label_names=names)

    run = dataclasses.replace(new_run("run"), model="domain_adversarial", settings=SETTINGS)
    for source, target, part in (
        (
            labeled("a", "b"),
            None,
            "digits has 2 classes, and this domain-adversarial classifier is",
        ),
        (ImageSet(images), None, "these images have none"),
        (labeled("a", "b", "c"), labeled("a", "b", "d"), "give data sets of the same classes"),
        (labeled("a", "b", "c"), ImageSet(images[:4]), "the data has 4 images, fewer than one"),
    ):
        monkeypatch.setattr(training.datasets, "load_target", lambda *arguments, t=target: t)
        with pytest.raises(UserError, match=part):
            training._more_to_read(run, source)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--dataset=digits",), "which second data set? Give --target_dataset=NAME"),
        (("--dataset=digits", "--target_dataset=folder"), "--target_data_dir"),
        (
            ("--dataset=sprites", "--target_dataset=digits"),
            "digits has images of 16x16 pixels only, and the first data set's are 64x64; give",
        ),
        (
            ("--dataset=digits", "--target_dataset=digits", "--filters=8, 8, 8, 8, 8"),
            "halves the image 5 times, and 16x16 pixels are too few",
        ),
        (("--dataset=digits", "--target_dataset=digits", "--filters=8, x"), "--filters: expected"),
    ],
)
def test_bad_input_is_one_sentence(arguments, part):
    assert part in refusal("train", "--model=domain_adversarial", *arguments)


def test_gray_images_meet_colored_ones_in_colors():
    assert datasets.common_shape((28, 28, 1), "mnist_m") == (28, 28, 3)
    assert datasets.common_shape((16, 16, 1), "digits") == (16, 16, 1)
    digits = datasets.load("digits", "test", (16, 16, 3))
    assert digits.images.shape[1:] == (16, 16, 3)
    assert np.array_equal(digits.images[..., 0], digits.images[..., 2])


def test_a_run_is_scored_on_both_data_sets(run_of, tmp_path):
    shutil.copytree(run_of("domain_adversarial"), tmp_path / "run")
    assert runs.read_classes(runs.read(tmp_path / "run")) == tuple("0123456789")
    succeed_here("evaluate", f"--run_dir={tmp_path / 'run'}", "--num=100")
    content = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert runs.read_metrics(runs.read(tmp_path / "run"))
    accuracy = {name: content["scores"][f"classification_accuracy/{name}"] for name in DOMAINS}
    assert accuracy["source"] == accuracy["target"]  # digits and digits
    for name in DOMAINS:
        counts = np.array(content["details"]["class_confusion"][name]["counts"])
        assert counts.sum() == 359
        assert counts.trace() == pytest.approx(359 * accuracy[name])
    assert content["skipped"]["effect"]["kind"] == "incapable"
    report = (tmp_path / "run" / "report.html").read_text()
    assert "Classes of target" in report
    assert "<h2>Features of both data sets</h2>" in report
    with Image.open(tmp_path / "run" / "features.png") as picture:
        assert np.std(np.asarray(picture)) > 5
    assert "Trained with labels." in report
    assert "<h2>Samples</h2>" not in report
    asked = (f"--run_dir={tmp_path / 'run'}", "--split=train", "--metrics=classes")
    succeed_here("evaluate", *asked)
    confusion = json.loads((tmp_path / "run" / "metrics.json").read_text())["details"]
    for name in DOMAINS:
        assert np.sum(confusion["class_confusion"][name]["counts"]) == 1438


def test_what_generates_nothing_is_exported_served_and_loaded(exported_untrained, batch):
    pytest.importorskip("onnxruntime")
    _, model, directory = exported_untrained("domain_adversarial")
    assert {path.name for path in directory.iterdir() if not path.name.startswith(".")} == {
        "digits-domain_adversarial",
        "classifier.onnx",
        "generator.json",
        "README.md",
    }
    images = (batch["image"].numpy() + 1) / 2
    expected = model.classify(batch["image"].numpy())
    assert expected.sum(axis=1) == pytest.approx(1)
    card = (directory / "README.md").read_text()
    assert "A domain-adversarial classifier" in card
    assert "generator.png" not in card
    app = rest_application.RestApplication(
        onnx_model.load(directory / "classifier.onnx", num_threads=1)
    )
    with serve_application(app.starlette()) as url:
        faces = {
            "export": keras_infogan.load(directory),
            "file": keras_infogan.load(directory / "classifier.onnx"),
            "server": connect(url, contract=directory),
            "server without a contract": connect(url, model="digits-domain_adversarial"),
        }
        for name, face in faces.items():
            answers = face.classify(images)
            assert answers["class_probabilities"] == pytest.approx(expected, abs=1e-5), name
            assert np.array_equal(answers["class"], expected.argmax(axis=1))
            assert face.classes == ("0", "1", "2")
            with pytest.raises(UserError, match="cannot generate from latents; it can classify"):
                face.generate()
    with pytest.raises(UserError, match="cannot generate"):
        exporting.export(
            *_to_export(exported_untrained), directory.with_name("web_export"), ["web"]
        )


def _to_export(exported_untrained):
    run, *_ = exported_untrained("domain_adversarial")
    return run, exporting.contract_of(run, {})


def test_a_digit_is_the_negative_of_its_patch():
    patch = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    digit = np.zeros((28, 28, 1), np.uint8)
    digit[5:9, 7] = 3
    blended = mnist_m.blend(digit, patch)
    assert blended.dtype == np.uint8
    assert np.array_equal(blended[5:9, 7], 255 - patch[5:9, 7])
    assert np.array_equal(blended[9:], patch[9:])


def test_no_photograph_is_of_both_splits():
    train, test = (set(mnist_m._PHOTOGRAPHS[split]) for split in ("train", "test"))
    assert train.isdisjoint(test)
