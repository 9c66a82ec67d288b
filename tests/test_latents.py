import math

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_infogan.config import UserError
from keras_infogan.latents import Bernoulli, Categorical, Gaussian, LatentSpec, Noise, Posterior, Uniform, parse_codes

CODES = parse_codes("kind=categorical(3), slant=uniform, tilt=gaussian, smile=bernoulli(0.3)")
SPEC = LatentSpec(Noise(5), CODES)


def test_parses_what_a_person_types():
    assert parse_codes("digit=categorical(10), slant=uniform, 2*uniform(weight=0.5), Bernoulli") == (
        Categorical("digit", 10),
        Uniform("slant"),
        Uniform("continuous_1", weight=0.5),
        Uniform("continuous_2", weight=0.5),
        Bernoulli("binary_1"),
    )
    assert parse_codes("smile=bernoulli(0.2, weight=3), tilt = gaussian()") == (Bernoulli("smile", 0.2, 3.0), Gaussian("tilt"))
    assert [code.name for code in parse_codes("10*categorical(10)")] == [f"categorical_{index}" for index in range(1, 11)]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("digit=categoricl(10)", "did you mean 'categorical'"),
        ("digit=categorical", "number of categories"),
        ("digit=categorical(1)", "from 2 to 10000"),
        ("digit=categorical(ten)", "cannot read 'ten'"),
        ("a=uniform, a=uniform", "given twice"),
        ("noise=uniform", "reserved"),
        ("label=categorical(3)", "reserved"),
        ("slant_mean=uniform", "reserved"),
        ("2nd=uniform", "is no name"),
        ("digit=categorical(10", "cannot read"),
        ("a=uniform(weight=-1)", "at least 0"),
        ("a=uniform(weight=nan)", "finite"),
        ("a=bernoulli(1.5)", "between 0 and 1"),
        ("a=uniform(3)", "cannot read '3'"),
        ("0*uniform", "asks for 0"),
    ],
)
def test_a_typo_is_one_sentence(text, part):
    with pytest.raises(UserError, match="--codes") as error:
        parse_codes(text)
    assert part in str(error.value)


def test_entropies_are_those_of_scipy():
    entropies = [code.entropy for code in CODES]
    assert entropies == pytest.approx([math.log(3), scipy.stats.uniform(-1, 2).entropy(), scipy.stats.norm.entropy(), scipy.stats.bernoulli(0.3).entropy()])


def test_both_samplers_follow_the_prior():
    drawn = SPEC.draw(20_000, tf.constant([1, 2])).numpy()
    for latents in (SPEC.sample(20_000, 7), drawn):
        parts = SPEC.unpack(latents)
        assert scipy.stats.kstest(parts["noise"].ravel()[::5], scipy.stats.uniform(-1, 2).cdf).pvalue > 1e-4
        assert scipy.stats.kstest(parts["slant"][:, 0], scipy.stats.uniform(-1, 2).cdf).pvalue > 1e-4
        assert scipy.stats.kstest(parts["tilt"][:, 0], "norm").pvalue > 1e-4
        assert parts["kind"].mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.02)
        assert parts["kind"].sum(axis=1) == pytest.approx(1)
        assert parts["smile"].mean() == pytest.approx(0.3, abs=0.02)
    correlations = np.corrcoef(drawn.T)
    assert np.abs(correlations[:5, 5:]).max() < 0.04, "noise and codes must be independent"


def test_log_prob_is_that_of_scipy():
    generator = np.random.default_rng(0)
    latents, parameters = SPEC.sample(50, 3), generator.standard_normal((50, SPEC.total_parameters)).astype(np.float32)
    bound = {name: value.numpy() for name, value in SPEC.mutual_information(latents, tf.constant(parameters)).items()}
    for name, value in SPEC.mutual_information(latents, parameters).items():
        assert value == pytest.approx(bound[name], abs=1e-5), "numpy and TensorFlow must agree"
    codes, answers = SPEC.unpack(latents), SPEC.unpack_parameters(parameters)
    probabilities = scipy.special.softmax(answers["kind"], axis=1)
    assert bound["kind"] == pytest.approx(scipy.stats.multinomial.logpmf(codes["kind"], 1, probabilities) + math.log(3), abs=1e-5)
    chance = scipy.special.expit(answers["smile"][:, 0])
    assert bound["smile"] == pytest.approx(scipy.stats.bernoulli.logpmf(codes["smile"][:, 0], chance) + CODES[3].entropy, abs=1e-5)
    for code in CODES[1:3]:
        columns = code.describe(answers[code.name], SPEC.posterior)
        expected = scipy.stats.norm.logpdf(codes[code.name][:, 0], columns[f"{code.name}_mean"], columns[f"{code.name}_std"]) + code.entropy
        assert bound[code.name] == pytest.approx(expected, abs=1e-5)


def test_the_bound_reaches_the_entropy_and_no_more():
    latents = SPEC.sample(100, 0)
    codes = SPEC.unpack(latents)
    answers = [codes["kind"] * 100, codes["slant"], np.full((100, 1), -50), codes["tilt"], np.full((100, 1), -50), codes["smile"] * 100 - 50]
    bound = SPEC.mutual_information(latents, tf.constant(np.concatenate(answers, axis=1), tf.float32))
    for code in CODES:
        assert bound[code.name].numpy() == pytest.approx(code.entropy, abs=1e-4)


def test_fixed_and_learned_deviation():
    parameters = tf.constant([[0.0, -100.0], [0.0, 0.0], [0.0, 100.0]])
    learned = np.exp(Posterior(min_std=0.1, max_std=1.0).log_std(parameters).numpy())
    assert learned[:, 0] == pytest.approx([0.1, math.sqrt(0.1), 1.0])
    assert np.exp(Posterior(std=0.5).log_std(parameters[:, :1]).numpy())[:, 0] == pytest.approx([0.5] * 3)
    assert LatentSpec(Noise(1), CODES, Posterior(std=1.0)).total_parameters == 3 + 1 + 1 + 1
    assert SPEC.total_parameters == 3 + 2 + 2 + 1


def test_pack_reverses_unpack():
    latents = SPEC.sample(10, 0)
    assert np.array_equal(SPEC.pack(SPEC.unpack(latents)), latents)


def test_values_are_what_was_drawn_and_answers_what_is_likeliest():
    parts = {"noise": np.zeros((2, 5)), "kind": np.eye(3)[[2, 0]], "slant": [[0.5], [-1]], "tilt": [[2], [0]], "smile": [[1], [0]]}
    assert {name: value.tolist() for name, value in SPEC.values(SPEC.pack(parts)).items()} == {
        "kind": [2, 0],
        "slant": [0.5, -1],
        "tilt": [2, 0],
        "smile": [1, 0],
    }
    answers = SPEC.answers(np.array([[0, 3, 1, 0.25, 9, -2, 9, -1]], np.float32))
    assert {name: value.tolist() for name, value in answers.items()} == {"kind": [1], "slant": [0.25], "tilt": [-2], "smile": [0]}


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
    parts = {name: part.reshape(*moved.shape[:2], -1) for name, part in SPEC.unpack(moved.reshape(-1, SPEC.size)).items()}
    for name, part in parts.items():
        assert (np.ptp(part, axis=1).max() > 0) == (name == code.name), name


def test_the_trained_range_of_a_uniform_code_is_marked():
    _, texts, trained = SPEC.traverse(CODES[1], SPEC.rows(1, 0), 9)
    assert [text for text, inside in zip(texts, trained, strict=True) if inside] == ["-1.0", "-0.5", "+0.0", "+0.5", "+1.0"]


def test_sampling_is_repeatable():
    assert np.array_equal(SPEC.sample(4, 1), SPEC.sample(4, 1))
    assert not np.array_equal(SPEC.sample(4, 1), SPEC.sample(4, 2))
    assert np.array_equal(SPEC.unpack(SPEC.rows(5, 0))["kind"].argmax(axis=1), [0, 1, 2, 0, 1])


@pytest.mark.parametrize(("distribution", "cdf"), [("uniform", scipy.stats.uniform(-1, 2).cdf), ("normal", scipy.stats.norm.cdf)])
def test_noise_of_seeds_has_the_priors_distribution_and_is_the_same_in_tensorflow(distribution, cdf):
    noise = Noise(20, distribution)
    seeds = np.arange(5000)
    drawn = noise.from_seeds(seeds)
    assert (drawn.shape, drawn.dtype) == ((5000, 20), np.float32)
    assert scipy.stats.kstest(drawn.ravel(), cdf).pvalue > 1e-3
    assert min(scipy.stats.kstest(column, cdf).pvalue for column in drawn.T) > 1e-4
    assert np.abs(np.corrcoef(drawn.T) - np.eye(20)).max() < 5 / np.sqrt(5000)
    np.testing.assert_allclose(noise.from_seeds(tf.constant(seeds)).numpy(), drawn, rtol=0, atol=0 if distribution == "uniform" else 2e-6)
    # An image's noise is that of its own seed, whatever else is in the batch; the largest seed is one as any.
    np.testing.assert_array_equal(noise.from_seeds(np.array([7, 2**32 - 1]))[:1], drawn[7:8])
    assert np.isfinite(noise.from_seeds(np.array([2**32 - 1]))).all()


def test_noise_of_a_seed_never_changes():
    """Exported models and saved links rely on it. The numbers follow from the hash as published, worked in plain integers."""

    def mix(value):
        for shift, factor in ((16, 0x21F0AAAD), (15, 0x735A2D97)):
            value = ((value ^ (value >> shift)) * factor) & 0xFFFFFFFF
        return value ^ (value >> 15)

    expected = [((mix(mix(3) ^ mix(2**31 + column)) >> 9) + 0.5) / 2**22 - 1 for column in range(4)]
    assert Noise(4).from_seeds(np.array([3]))[0].tolist() == expected


def test_edges_are_the_ends_of_every_range():
    spec = LatentSpec(Noise(3), parse_codes("kind=categorical(4), slant=uniform, tilt=gaussian, smile=bernoulli"))
    edges = spec.edges(seed=0)
    assert edges.shape == (12, spec.size)
    values = spec.values(edges)
    assert values["kind"][[2, 3, 10, 11]].tolist() == [0, 3, 0, 3]
    assert values["slant"][[4, 5, 10, 11]].tolist() == [-1, 1, -1, 1]
    assert values["tilt"][[6, 7, 10, 11]].tolist() == [-3, 3, -3, 3]
    assert values["smile"][[8, 9, 10, 11]].tolist() == [0, 1, 0, 1]
    assert spec.unpack(edges)["noise"][[0, 1, 10, 11]].tolist() == [[-1] * 3, [1] * 3, [-1] * 3, [1] * 3]
