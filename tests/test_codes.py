"""What a code says of itself: its prior, its entropy, what a recognizer's answer means, how it
stands in a contract.
"""

import dataclasses
import json
import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from keras_infogan import codes
from keras_infogan.codes import (
    KINDS,
    Bernoulli,
    Categorical,
    Gaussian,
    LogVariancePosterior,
    Posterior,
    Uniform,
    Vector,
)
from keras_infogan.config import UserError
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.notation import parse_codes

CODES = (
    Categorical("kind", 3),
    Uniform("slant", guide=("shear", 0.4)),
    Gaussian("tilt"),
    Bernoulli("smile", 0.3),
)
SPEC = LatentSpec(Noise(5), CODES)


def test_entropies_are_those_of_scipy():
    entropies = [code.entropy for code in CODES]
    assert entropies == pytest.approx(
        [
            math.log(3),
            scipy.stats.uniform(-1, 2).entropy(),
            scipy.stats.norm.entropy(),
            scipy.stats.bernoulli(0.3).entropy(),
        ]
    )


def test_log_prob_is_that_of_scipy():
    generator = np.random.default_rng(0)
    latents, parameters = (
        SPEC.sample(50, 3),
        generator.standard_normal((50, SPEC.total_parameters)).astype(np.float32),
    )
    bound = {
        name: value.numpy()
        for name, value in SPEC.mutual_information(latents, tf.constant(parameters)).items()
    }
    for name, value in SPEC.mutual_information(latents, parameters).items():
        assert value == pytest.approx(bound[name], abs=1e-5), "numpy and TensorFlow must agree"
    codes, answers = SPEC.unpack(latents), SPEC.unpack_parameters(parameters)
    probabilities = scipy.special.softmax(answers["kind"], axis=1)
    assert bound["kind"] == pytest.approx(
        scipy.stats.multinomial.logpmf(codes["kind"], 1, probabilities) + math.log(3), abs=1e-5
    )
    chance = scipy.special.expit(answers["smile"][:, 0])
    assert bound["smile"] == pytest.approx(
        scipy.stats.bernoulli.logpmf(codes["smile"][:, 0], chance) + CODES[3].entropy, abs=1e-5
    )
    for code in CODES[1:3]:
        columns = code.describe(answers[code.name], SPEC.posterior)
        expected = (
            scipy.stats.norm.logpdf(
                codes[code.name][:, 0], columns[code.name], columns[f"{code.name}_std"]
            )
            + code.entropy
        )
        assert bound[code.name] == pytest.approx(expected, abs=1e-5)


def test_fixed_and_learned_deviation():
    parameters = tf.constant([[0.0, -100.0], [0.0, 0.0], [0.0, 100.0]])
    learned = np.exp(Posterior(min_std=0.1, max_std=1.0).log_std(parameters).numpy())
    assert learned[:, 0] == pytest.approx([0.1, math.sqrt(0.1), 1.0])
    assert np.exp(Posterior(std=0.5).log_std(parameters[:, :1]).numpy())[:, 0] == pytest.approx(
        [0.5] * 3
    )
    assert LatentSpec(Noise(1), CODES, Posterior(std=1.0)).total_parameters == 3 + 1 + 1 + 1
    assert SPEC.total_parameters == 3 + 2 + 2 + 1


def test_the_trained_range_of_a_uniform_code_is_marked():
    _, texts, trained = CODES[1].traversal(9)
    assert [text for text, inside in zip(texts, trained, strict=True) if inside] == [
        "-1.0",
        "-0.5",
        "+0.0",
        "+0.5",
        "+1.0",
    ]


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.kind)
def test_a_kind_answers_every_question_alike(code):
    """In numpy and in TensorFlow: who asks need not know which of them, nor the kind."""
    assert KINDS[code.kind] is type(code)
    drawn, parameters = (
        code.sample(np.random.default_rng(0), 20),
        np.random.default_rng(1)
        .standard_normal((20, SPEC.num_parameters(code)))
        .astype(np.float32),
    )
    assert (drawn.shape, drawn.dtype) == ((20, code.size), np.float32)
    assert (code.draw(tf.constant([1, 2]), 20).shape, code.ends().shape) == (
        (20, code.size),
        (2, code.size),
    )
    given = code.value(drawn)
    np.testing.assert_array_equal(code.vector(given), drawn)
    np.testing.assert_array_equal(code.vector(tf.constant(given)), drawn)
    assert (given.dtype.kind, given.shape) == (
        np.dtype(code.input().type).kind,
        (20, *code.input().shape),
    )
    outputs, columns = code.outputs(parameters, Posterior()), code.describe(parameters, Posterior())
    assert list(outputs) == [tensor.name for tensor in code.output_tensors]
    for tensor in code.output_tensors:
        assert outputs[tensor.name].shape == (20, *tensor.shape)
        np.testing.assert_allclose(
            code.outputs(tf.constant(parameters), Posterior())[tensor.name],
            outputs[tensor.name],
            atol=1e-6,
        )
    np.testing.assert_array_equal(columns[code.name], code.answer(parameters))
    np.testing.assert_array_equal(outputs[code.name], code.answer(parameters))
    for values in (given, tf.constant(given)):
        assert np.asarray(code.valid(values)[0]).all()
    assert code.prior
    assert code.given(code.example, 3).tolist() == [code.example] * 3


def test_a_blend_is_a_vector_as_it_is():
    weights = np.array([[0.25, 0.75, 0.0]], np.float32)
    assert CODES[0].vector(weights) is weights
    assert CODES[0].input("weights").shape == (3,)
    assert CODES[3].input("weights").shape == ()
    assert CODES[1].input("weights") == CODES[1].input("index")


@pytest.mark.parametrize(
    ("code", "values", "valid"),
    [
        (CODES[0], np.array([0, 2, 3, -1]), [True, True, False, False]),
        (
            CODES[0],
            np.array([[0.5, 0.5, 0], [0.5, 0.4, 0], [1.5, -0.5, 0], [np.nan, 1, 0]]),
            [True, False, False, False],
        ),
        (CODES[1], np.array([-3, np.nan, np.inf], np.float32), [True, False, False]),
        (CODES[2], np.array([7, -np.inf], np.float32), [True, False]),
        (CODES[3], np.array([0, 1, 2]), [True, True, False]),
        (CODES[3], np.array([0.5, 1.5, np.nan]), [True, False, False]),
    ],
)
def test_values_that_a_code_cannot_take(code, values, valid):
    assert code.valid(values)[0].tolist() == valid
    assert code.valid(tf.constant(values))[0].numpy().tolist() == valid


@pytest.mark.parametrize(
    ("code", "value", "expected"),
    [
        (CODES[0], 2, [2, 2]),
        (CODES[0], [2.0, 0], [2, 0]),
        (CODES[0], {1: 0.25, 2: 0.75}, [[0, 0.25, 0.75]] * 2),
        (CODES[1], 2.5, [2.5, 2.5]),
        (CODES[2], np.array([-1.0, 7.0]), [-1, 7]),
        (CODES[3], 1, [1, 1]),
        (CODES[3], 0.5, [0.5, 0.5]),
    ],
)
def test_what_a_person_asks_for(code, value, expected):
    given = code.given(value, 2)
    assert given.tolist() == expected
    assert str(given.dtype) in ("int64", "float32")


@pytest.mark.parametrize(
    ("code", "value", "part"),
    [
        (CODES[0], 3, "kind: expected a number from 0 to 2, received 3"),
        (CODES[0], 0.5, "kind: expected an integer from 0 to 2, received 0.5; to blend"),
        (CODES[0], {0: 0.5}, "kind: expected weights of at least 0 that sum to 1"),
        (CODES[0], {3: 1.0}, "kind: expected a category from 0 to 2"),
        (
            CODES[1],
            {0: 1.0},
            "slant: expected a number, received weights; only categories are blended",
        ),
        (CODES[1], [1, 2, 3], r"slant: expected one value or 2, received the shape \(3,\)"),
        (CODES[2], float("nan"), "tilt: expected finite numbers"),
        (CODES[2], "much", "tilt: expected a number or 2 of them, received 'much'"),
        (CODES[3], 2, "smile: expected a number from 0 to 1"),
        (CODES[3], {0: 1.0}, "smile: expected a number, received weights"),
    ],
)
def test_what_no_code_can_be_is_one_sentence(code, value, part):
    with pytest.raises(UserError, match=part):
        code.given(value, 2)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.kind)
def test_a_code_is_read_back_from_json(code):
    content = json.loads(json.dumps(code.to_json()))
    assert codes.from_json(content | {"a key of a later version": 1}) == code
    # Weights are of training, and no matter to who has the trained model.
    assert codes.from_json(dataclasses.replace(code, weight=3.0).to_json()) == code


def test_what_is_no_code_is_not_read():
    with pytest.raises(
        UserError, match="the kind of code 'poisson' is not known here; update keras-infogan"
    ):
        codes.from_json({"name": "a", "kind": "poisson"})


def test_a_bit_of_contract_1_has_its_probability_in_the_text():
    content = CODES[3].to_json()
    del content["probability"]
    assert codes.from_json(content) == CODES[3]


@pytest.mark.parametrize(
    "posterior", [Posterior(), Posterior(0.5), Posterior(min_std=0.1), LogVariancePosterior()]
)
def test_a_posterior_is_read_back_from_json(posterior):
    content = json.loads(json.dumps(codes.posterior_to_json(posterior)))
    assert codes.posterior_from_json(content | {"a key of a later version": 1}) == posterior
    with pytest.raises(
        UserError, match="the posterior 'poisson' is not known here; update keras-infogan"
    ):
        codes.posterior_from_json(content | {"family": "poisson"})


def test_a_log_variance_is_twice_the_logarithm_of_the_deviation():
    parameters = np.array([[0.3, 0.0], [0.3, math.log(4.0)], [0.3, 1e9], [0.3, -1e9]], np.float32)
    for values in (parameters, tf.constant(parameters)):
        deviations = np.exp(np.asarray(LogVariancePosterior().log_std(values)))
        # Clipped, so that no gradient or density leaves float32.
        assert deviations[:, 0] == pytest.approx([1, 2, math.exp(5), math.exp(-5)], rel=1e-5)
    columns = CODES[2].describe(parameters, LogVariancePosterior())
    assert columns["tilt"] == pytest.approx(0.3)
    assert columns["tilt_std"][:2] == pytest.approx([1, 2])


def test_integers_are_no_booleans():
    assert [codes.is_integer(value) for value in (1, np.int64(1), True, np.bool_(True), 1.0)] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_vector_is_read_and_has_no_prior():
    code = Vector("speaker", 3)
    assert codes.from_json(code.to_json()) == code
    spec = LatentSpec(Noise(0), (Vector("phonetic", 2), code))
    parameters = np.arange(10, dtype=np.float32).reshape(2, 5)
    assert spec.total_parameters == spec.size == 5
    outputs = spec.outputs(parameters)
    assert outputs["speaker"].tolist() == [[2, 3, 4], [7, 8, 9]]
    assert np.array_equal(spec.assembled(outputs), parameters)
    assert list(spec.describe(parameters)) == [
        *("phonetic_1", "phonetic_2"),
        *("speaker_1", "speaker_2", "speaker_3"),
    ]
    valid, expected = code.valid(np.array([[0, 1, 2], [0, np.nan, 2]], np.float32))
    assert (valid.tolist(), expected) == ([True, False], "finite numbers")
    assert not hasattr(code, "entropy")
    with pytest.raises(UserError, match="'vector' is no kind of code"):
        parse_codes("speaker=vector")
