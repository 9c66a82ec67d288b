"""Noise and codes together: latent vectors, what they are made of, and what is said of them."""

import json

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_infogan.codes import LogVariancePosterior, Posterior
from keras_infogan.config import UserError
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.notation import parse_codes

CODES = parse_codes("kind=categorical(3), slant=uniform, tilt=gaussian, smile=bernoulli(0.3)")
SPEC = LatentSpec(Noise(5), CODES)


def test_both_samplers_follow_the_prior():
    drawn = SPEC.draw(20_000, tf.constant([1, 2])).numpy()
    for latents in (SPEC.sample(20_000, 7), drawn):
        parts = SPEC.unpack(latents)
        assert (
            scipy.stats.kstest(parts["noise"].ravel()[::5], scipy.stats.uniform(-1, 2).cdf).pvalue
            > 1e-4
        )
        assert (
            scipy.stats.kstest(parts["slant"][:, 0], scipy.stats.uniform(-1, 2).cdf).pvalue > 1e-4
        )
        assert scipy.stats.kstest(parts["tilt"][:, 0], "norm").pvalue > 1e-4
        assert parts["kind"].mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.02)
        assert parts["kind"].sum(axis=1) == pytest.approx(1)
        assert parts["smile"].mean() == pytest.approx(0.3, abs=0.02)
    correlations = np.corrcoef(drawn.T)
    assert np.abs(correlations[:5, 5:]).max() < 0.04, "noise and codes must be independent"


def test_the_bound_reaches_the_entropy_and_no_more():
    latents = SPEC.sample(100, 0)
    codes = SPEC.unpack(latents)
    answers = [
        codes["kind"] * 100,
        codes["slant"],
        np.full((100, 1), -50),
        codes["tilt"],
        np.full((100, 1), -50),
        codes["smile"] * 100 - 50,
    ]
    bound = SPEC.mutual_information(
        latents, tf.constant(np.concatenate(answers, axis=1), tf.float32)
    )
    for code in CODES:
        assert bound[code.name].numpy() == pytest.approx(code.entropy, abs=1e-4)


def test_pack_reverses_unpack():
    latents = SPEC.sample(10, 0)
    assert np.array_equal(SPEC.pack(SPEC.unpack(latents)), latents)


def test_values_are_what_was_drawn_and_answers_what_is_likeliest():
    parts = {
        "noise": np.zeros((2, 5)),
        "kind": np.eye(3)[[2, 0]],
        "slant": [[0.5], [-1]],
        "tilt": [[2], [0]],
        "smile": [[1], [0]],
    }
    assert {name: value.tolist() for name, value in SPEC.values(SPEC.pack(parts)).items()} == {
        "kind": [2, 0],
        "slant": [0.5, -1],
        "tilt": [2, 0],
        "smile": [1, 0],
    }
    answers = SPEC.answers(np.array([[0, 3, 1, 0.25, 9, -2, 9, -1]], np.float32))
    assert {name: value.tolist() for name, value in answers.items()} == {
        "kind": [1],
        "slant": [0.25],
        "tilt": [-2],
        "smile": [0],
    }


@pytest.mark.parametrize("name", ["noise", "kind", "slant"])
def test_redrawing_changes_one_part_only(name):
    latents = SPEC.sample(50, 0)
    before, after = SPEC.unpack(latents), SPEC.unpack(SPEC.redraw(name, latents, 1))
    assert {part for part in before if not np.array_equal(before[part], after[part])} == {name}


@pytest.mark.parametrize("code", CODES)
def test_a_traversal_moves_one_code_only(code):
    rows = SPEC.rows(6, 0)
    moved, texts, trained = SPEC.traverse(code, rows, 5)
    assert moved.shape[:2] == (6, len(texts)) == (6, len(trained))
    parts = {
        name: part.reshape(*moved.shape[:2], -1)
        for name, part in SPEC.unpack(moved.reshape(-1, SPEC.size)).items()
    }
    for name, part in parts.items():
        assert (np.ptp(part, axis=1).max() > 0) == (name == code.name), name


def test_sampling_is_repeatable():
    assert np.array_equal(SPEC.sample(4, 1), SPEC.sample(4, 1))
    assert not np.array_equal(SPEC.sample(4, 1), SPEC.sample(4, 2))
    assert np.array_equal(SPEC.unpack(SPEC.rows(5, 0))["kind"].argmax(axis=1), [0, 1, 2, 0, 1])


@pytest.mark.parametrize(
    ("distribution", "cdf"),
    [("uniform", scipy.stats.uniform(-1, 2).cdf), ("normal", scipy.stats.norm.cdf)],
)
def test_noise_of_seeds_has_the_priors_distribution_and_is_the_same_in_tensorflow(
    distribution, cdf
):
    noise = Noise(20, distribution)
    seeds = np.arange(5000)
    drawn = noise.from_seeds(seeds)
    assert (drawn.shape, drawn.dtype) == ((5000, 20), np.float32)
    assert scipy.stats.kstest(drawn.ravel(), cdf).pvalue > 1e-3
    assert min(scipy.stats.kstest(column, cdf).pvalue for column in drawn.T) > 1e-4
    assert np.abs(np.corrcoef(drawn.T) - np.eye(20)).max() < 5 / np.sqrt(5000)
    np.testing.assert_allclose(
        noise.from_seeds(tf.constant(seeds)).numpy(),
        drawn,
        rtol=0,
        atol=0 if distribution == "uniform" else 2e-6,
    )
    # An image's noise is that of its own seed, whatever else is in the batch; the largest
    # seed is one as any.
    np.testing.assert_array_equal(noise.from_seeds(np.array([7, 2**32 - 1]))[:1], drawn[7:8])
    assert np.isfinite(noise.from_seeds(np.array([2**32 - 1]))).all()


def test_noise_of_a_seed_never_changes():
    """Exported models and saved links rely on it.

    The numbers follow from the hash as published, worked in plain integers.
    """

    def mix(value):
        for shift, factor in ((16, 0x21F0AAAD), (15, 0x735A2D97)):
            value = ((value ^ (value >> shift)) * factor) & 0xFFFFFFFF
        return value ^ (value >> 15)

    expected = [((mix(mix(3) ^ mix(2**31 + column)) >> 9) + 0.5) / 2**22 - 1 for column in range(4)]
    assert Noise(4).from_seeds(np.array([3]))[0].tolist() == expected


def test_edges_are_the_ends_of_every_range():
    spec = LatentSpec(
        Noise(3), parse_codes("kind=categorical(4), slant=uniform, tilt=gaussian, smile=bernoulli")
    )
    edges = spec.edges(seed=0)
    assert edges.shape == (12, spec.size)
    values = spec.values(edges)
    assert values["kind"][[2, 3, 10, 11]].tolist() == [0, 3, 0, 3]
    assert values["slant"][[4, 5, 10, 11]].tolist() == [-1, 1, -1, 1]
    assert values["tilt"][[6, 7, 10, 11]].tolist() == [-3, 3, -3, 3]
    assert values["smile"][[8, 9, 10, 11]].tolist() == [0, 1, 0, 1]
    assert spec.unpack(edges)["noise"][[0, 1, 10, 11]].tolist() == [
        [-1] * 3,
        [1] * 3,
        [-1] * 3,
        [1] * 3,
    ]


# As a plain GAN has it, as a variational autoencoder has it, and both with a posterior of its own.
OTHER_SPECS = [
    LatentSpec(Noise(5, "normal"), ()),
    LatentSpec(Noise(0), CODES, LogVariancePosterior()),
    LatentSpec(Noise(3), CODES, Posterior(std=0.5)),
]


@pytest.mark.parametrize("spec", [SPEC, *OTHER_SPECS])
def test_noise_alone_and_codes_alone_are_latents_too(spec):
    latents = spec.sample(6, 0)
    assert latents.shape == spec.draw(6, tf.constant([1, 2])).shape == (6, spec.size)
    np.testing.assert_array_equal(spec.pack(spec.unpack(latents)), latents)
    names = [code.name for code in spec.codes]
    assert [tensor.name for tensor in spec.inputs()] == names + ["noise"] * bool(spec.noise.size)
    assert [tensor.name for tensor in spec.inputs(last="seed")] == [*names, "seed"]
    seeds = np.arange(6)
    seeded = spec.pack(spec.unpack(latents) | {"noise": spec.noise.from_seeds(seeds)})
    for library in (np.asarray, tf.constant):
        given = {name: library(values) for name, values in spec.values(latents).items()}
        noise = {"noise": library(spec.unpack(latents)["noise"])} if spec.noise.size else {}
        np.testing.assert_array_equal(spec.vectors(given | noise), latents)
        np.testing.assert_allclose(
            spec.vectors(given | {"seed": library(seeds)}), seeded, atol=2e-6
        )
        np.testing.assert_array_equal(spec.vectors({"latents": library(latents)}), latents)
    assert spec.edges(0).shape[1] == spec.size
    assert spec.rows(3, 0).shape == (3, spec.size)
    outputs = spec.outputs(np.zeros((2, spec.total_parameters), np.float32))
    assert list(outputs) == [tensor.name for tensor in spec.output_tensors]


@pytest.mark.parametrize("spec", [SPEC, *OTHER_SPECS])
def test_latents_are_read_back_from_json(spec):
    content = json.loads(json.dumps(spec.to_json()))
    assert LatentSpec.from_json(content) == spec


def test_keys_of_a_later_version_are_ignored():
    content = SPEC.to_json()
    for entry in (content, content["posterior"], *content["inputs"]):
        entry["a key of a later version"] = {"kind": "?"}
    assert LatentSpec.from_json(content) == SPEC


@pytest.mark.parametrize(
    ("name", "values", "valid"),
    [
        ("seed", [0, 2**32 - 1, 2**32, -1], [True, True, False, False]),
        ("noise", [[0.0] * 5, [7.0] * 5, [np.nan] * 5, [np.inf] * 5], [True, True, False, False]),
        ("latents", [[0.0] * 11, [np.nan] * 11], [True, False]),
        ("kind", [0, 3], [True, False]),
        ("slant", [1.5, np.inf], [True, False]),
    ],
)
def test_inputs_are_checked_by_name(name, values, valid):
    array = np.array(values) if name in ("seed", "kind") else np.array(values, np.float32)
    for library in (np.asarray, tf.constant):
        ((checked, expected),) = SPEC.checks({name: library(array)}).values()
        assert np.asarray(checked).tolist() == valid
        assert expected


def test_an_example_is_within_every_range():
    assert SPEC.example == {"kind": 1, "slant": 0.5, "tilt": 0.5, "smile": 1}


@pytest.mark.parametrize(
    ("names", "part"),
    [
        ({"color": "hue"}, "there is no code 'color'"),
        ({"slnt": "hue"}, "did you mean 'slant'"),
        ({"slant": "tilt"}, "'tilt' is given twice"),
        ({"slant": "noise"}, "'noise' is reserved"),
        ({"slant": "a b"}, "'a b' is no name"),
    ],
)
def test_bad_renames_are_refused(names, part):
    with pytest.raises(UserError, match=part):
        SPEC.renamed(names)


def test_codes_may_swap_names():
    swapped = SPEC.renamed({"slant": "tilt", "tilt": "slant"})
    assert [(code.name, code.kind) for code in swapped.codes[1:3]] == [
        ("tilt", "uniform"),
        ("slant", "gaussian"),
    ]


def test_codes_may_have_the_names_of_other_inputs():
    """Training allows them; only an export cannot."""
    spec = LatentSpec(Noise(2), parse_codes("seed=uniform, latents=categorical(3)"))
    codes, noise = (
        {"seed": np.array([0.5, -0.5], np.float32), "latents": np.array([2, 0])},
        np.ones((2, 2), np.float32),
    )
    expected = np.array([[1, 1, 0.5, 0, 0, 1], [1, 1, -0.5, 1, 0, 0]], np.float32)
    assert np.array_equal(spec.assembled(codes, noise), expected)
