"""What is Triple-GAN's own: three players, who moves by what, and the few labels that are read."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from conftest import SHAPE, TINY, checkpoint, refusal

import keras_infogan
from keras_infogan import models, runs, training
from keras_infogan.config import UserError
from keras_infogan.settings.triple_gan import TripleGANSettings

SETTINGS = TINY["triple_gan"]


def _gradients(batch, network, settings, step=0):
    """Returns the gradient of each player's loss by the weights of networks of a model, a dict of
    flat arrays, zeros where it does not depend on them.
    """
    model = models.build("triple_gan", dataclasses.replace(SETTINGS, **settings), SHAPE)
    model.steps_taken.assign(step)
    weights = [variable.value for part in network(model) for variable in part.trainable_variables]
    with tf.GradientTape(persistent=True) as tape:
        minimized, _ = model.objectives(batch)
        means = {name: tf.reduce_mean(loss) for name, loss in minimized.items()}
    return {
        name: np.concatenate(
            [
                np.ravel(tf.convert_to_tensor(gradient))
                for gradient in tape.gradient(
                    mean, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO
                )
            ]
        )
        for name, mean in means.items()
    }


def test_each_moves_by_its_own_side_of_the_game(batch):
    of_generator = _gradients(batch, lambda model: [model.generator], {})
    # What the classifier learns of generated images moves nothing of them.
    assert not of_generator["classifier"].any()
    assert of_generator["generator"].any()
    of_classifier = _gradients(batch, lambda model: model.blocks, {})
    assert not of_classifier["discriminator"].any()
    assert not of_classifier["generator"].any()
    of_discriminator = _gradients(batch, lambda model: [model.discriminator], {})
    # Were it to move with the classifier, it would judge well what that says.
    assert not of_discriminator["classifier"].any()


def test_the_classifier_learns_from_the_discriminator_through_the_guess(batch):
    """With all its other terms off what is left is p(y^|x) times D's verdict, and with alpha at 0
    nothing of the unlabeled images.
    """
    alone = {"entropy_weight": 0.0, "balance_weight": 0.0, "pseudo_weight": 0.0, "dropout": 0.0}
    gradients = [
        _gradients(batch, lambda model: model.blocks, {"classifier_share": share} | alone)[
            "classifier"
        ]
        for share in (0.0, 0.25, 0.5)
    ]
    assert np.abs(gradients[1] - gradients[0]).max() > 1e-7
    assert gradients[2] - gradients[0] == pytest.approx(2 * (gradients[1] - gradients[0]), abs=1e-5)


def test_few_labels_train_the_classifier_alone_at_first(batch):
    for step, others_move in ((2, False), (3, True)):
        gradients = _gradients(
            batch,
            lambda model: [model.generator, model.discriminator],
            {"classifier_steps": 3},
            step,
        )
        assert gradients["generator"].any() == others_move
        assert gradients["discriminator"].any() == others_move


def test_generated_images_teach_only_from_their_share_of_training_on(batch):
    gradients = {
        (step, weight): _gradients(
            batch,
            lambda model: model.blocks,
            {"pseudo_start": 0.5, "pseudo_weight": weight},
            step,
        )["classifier"]
        for step in (1, 2)
        for weight in (0.0, 1.0)
    }
    assert np.array_equal(gradients[1, 0.0], gradients[1, 1.0])
    assert not np.array_equal(gradients[2, 0.0], gradients[2, 1.0])


def test_a_run_keeps_which_labels_it_read_and_no_others_count(image_set, new_run, monkeypatch):
    """Other labels of all other images give the very same run."""
    written = []
    for name in ("one", "two"):
        run = dataclasses.replace(new_run(name), model="triple_gan", settings=SETTINGS)
        training.train(run, [("CPU", 0)])
        written.append((json.loads(run.labels.read_text()), checkpoint(run.directory)))
        assert runs.read_classes(run) == ("a", "b", "c")
        labels = image_set.labels.copy()
        unread = np.setdiff1d(np.arange(50), written[0][0]["labeled"])
        assert np.array_equal(np.bincount(labels[written[0][0]["labeled"]]), [2, 2, 2])
        # None of the choice: the others stand after it in the drawn order, and take another class
        # that has its labels already.
        order = np.random.default_rng(SETTINGS.seed).permutation(50)
        last = [place for place in order[::-1] if place in unread][:10]
        labels[last] = (labels[last] + 1) % 3
        changed = dataclasses.replace(image_set, labels=labels)
        monkeypatch.setattr(training.datasets, "load", lambda *arguments, c=changed: c)
    (read, weights), (read_again, weights_again) = written
    assert read == read_again
    assert weights.keys() == weights_again.keys()
    assert all(np.array_equal(weights[name], weights_again[name]) for name in weights)


def test_images_are_asked_for_by_label(exported_untrained, batch):
    pytest.importorskip("onnxruntime")
    _, model, directory = exported_untrained("triple_gan")
    for name in ("generator", "recognizer", "classifier"):
        assert (directory / f"{name}.onnx").is_file()
    loaded = keras_infogan.load(directory)
    assert loaded.generate(kind=2, seed=1, num=3).shape == (3, *SHAPE)
    images = (batch["image"].numpy() + 1) / 2
    answers = loaded.classify(images)
    # The label is the one code, and the classifier reads it.
    assert answers["class_probabilities"] == pytest.approx(
        loaded.encode(images)["kind_probabilities"], abs=1e-6
    )
    assert answers["class_probabilities"] == pytest.approx(
        model.classify(batch["image"].numpy()), abs=1e-5
    )


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"codes": "2*uniform"}, "has its label as the one code"),
        ({"codes": "digit=categorical(10), slant=uniform"}, "has its label as the one code"),
        ({"codes": "digit=categorical(10, weight=2)"}, "without a weight"),
        ({"num_labels": 0}, "--num_labels must be at least 1"),
        ({"classifier_filters": "16, 32"}, "expected three numbers"),
        ({"classifier_filters": "16, 32, many"}, "expected numbers of filters"),
        ({"discriminator_layers": "conv 4/2"}, "--discriminator_layers"),
    ],
)
def test_settings_that_cannot_be_are_one_sentence(settings, part):
    with pytest.raises(UserError, match=part):
        TripleGANSettings(**settings)


@pytest.mark.parametrize(
    ("data", "num_labels", "part"),
    [
        ({"labels": None}, 6, "these images have none; give a data set that has"),
        ({"label_names": ("a", "b")}, 6, "digits has 2 classes, and this Triple-GAN is made for 3"),
        ({}, 300, "takes 100 images of each class, and a has 17; give at most"),
        ({}, 4, "give a multiple of 3"),
    ],
)
def test_labels_that_are_not_there_are_one_sentence(image_set, new_run, data, num_labels, part):
    run = dataclasses.replace(
        new_run("run"),
        model="triple_gan",
        settings=dataclasses.replace(SETTINGS, num_labels=num_labels),
    )
    with pytest.raises(UserError, match=part):
        training._more_to_read(run, dataclasses.replace(image_set, **data))


def test_a_generator_of_other_images_is_refused():
    arguments = ("--model=triple_gan", "--dataset=digits", "--generator_layers=dense 4x4x1")
    assert "--generator_layers" in refusal("train", *arguments)
