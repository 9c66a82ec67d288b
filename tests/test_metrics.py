"""Scores against known answers: perfect, constant, shuffled, permuted, sign-flipped and duplicated
codes, one case each worked by hand, and the libraries.
"""

import inspect
import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import sklearn.metrics

from keras_infogan.metrics import METRICS, kernel_distance
from keras_infogan.metrics.clustering_accuracy import clustering_accuracy, match_categories
from keras_infogan.metrics.consistency import SHIFT, changed_copies
from keras_infogan.metrics.points import agreeing, as_classes, in_bins

LABELS = np.repeat(np.arange(5), 20)
SCORE = {name: metric.function for name, metric in METRICS.items()}
# Those of codes and factors.
FACTOR_METRICS = [
    name
    for name, metric in METRICS.items()
    if metric.group == "factors" and name != "attribute_flips"
]


@pytest.fixture(scope="module")
def factors():
    """Three independent factors of 4, 3 and 5 values, float (1500, 3)."""
    generator = np.random.default_rng(0)
    return np.stack([generator.integers(size, size=1500) for size in (4, 3, 5)], axis=1).astype(
        float
    )


def _only(name, result):
    """Returns one number of a score: the first, where it gives several."""
    return next(iter(result.values())) if isinstance(result, dict) else result


def test_every_metric_says_how_it_comes_about_and_what_it_needs():
    for name, metric in METRICS.items():
        assert len(metric.protocol) > 30
        assert metric.function.__doc__.startswith("Returns")
        assert set(inspect.signature(metric.function).parameters), name


# Categories and classes.


def test_consistency_is_the_share_that_stays():
    assert SCORE["consistency"](LABELS, LABELS) == 1
    assert SCORE["consistency"](LABELS, np.where(np.arange(100) < 25, 9, LABELS)) == 0.75


def test_copies_are_moved_as_far_as_the_protocol_says():
    """A dot in the middle stays near it, one off it turns and is scaled about it; no copy is like
    another, and the same seed gives the same.
    """
    images = np.full((300, 33, 33, 2), -1, np.float32)
    images[:, 15:18, 23:26] = 1
    copies = changed_copies(images, np.random.default_rng(0))
    assert np.array_equal(copies, changed_copies(images, np.random.default_rng(0)))
    assert np.array_equal(copies[..., 0], copies[..., 1])
    weights = (copies[..., 0] + 1) / (copies[..., 0] + 1).sum(axis=(1, 2), keepdims=True)
    rows, columns = ((weights * places).sum(axis=(1, 2)) - 16 for places in np.mgrid[:33, :33])
    # Eight pixels from the middle: scaled by at most 1 / 0.85, sheared by 0.2 / 0.85 across, moved
    # by 2.5 pixels (and as much as that is scaled).
    farthest = 8 / 0.85 * 1.03 + 33 * SHIFT / 0.85 * 1.5
    assert np.hypot(rows, columns).max() < farthest
    assert np.ptp(rows) > 5
    assert np.ptp(columns) > 5
    assert len(np.unique(rows)) == 300


def _counts(labels, categories):
    """Returns how many images of each class have each category, with a class and a category that
    none has.
    """
    table = np.zeros((np.max(labels) + 2, np.max(categories) + 2), int)
    np.add.at(table, (labels, categories), 1)
    return table


def test_clustering_accuracy_is_perfect_up_to_the_names_of_the_categories():
    counts = _counts(LABELS, (LABELS * 2 + 3) % 5)
    assert clustering_accuracy(counts) == 1.0
    assert match_categories(counts) == {(label * 2 + 3) % 5: label for label in range(5)}


def test_shuffled_categories_are_near_chance():
    labels = np.repeat(LABELS, 100)
    counts = _counts(labels, np.random.default_rng(0).permutation(labels))
    assert clustering_accuracy(counts) == pytest.approx(0.2, abs=0.03)
    assert SCORE["many_to_one_accuracy"](counts) == pytest.approx(0.2, abs=0.03)
    assert SCORE["normalized_mutual_information"](counts) == pytest.approx(0, abs=0.01)
    assert SCORE["adjusted_rand_index"](counts) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(
    ("name", "perfect", "constant"),
    [
        ("clustering_accuracy", 1, 0.2),
        ("many_to_one_accuracy", 1, 0.2),
        ("normalized_mutual_information", 1, 0),
        ("adjusted_rand_index", 1, 0),
    ],
)
def test_perfect_and_constant_categories(name, perfect, constant):
    assert SCORE[name](_counts(LABELS, 4 - LABELS)) == pytest.approx(perfect)
    assert SCORE[name](_counts(LABELS, np.zeros_like(LABELS))) == pytest.approx(constant)


def test_clustering_cases_worked_by_hand():
    # Counts: class 0 is {a: 3, b: 2}, class 1 is {a: 3, b: 0}. One to one, a=1 and b=0 agree in 3 +
    # 2 of 8; many to one, a's commonest class holds 3, b's 2.
    counts = _counts([0, 0, 0, 0, 0, 1, 1, 1], [7, 7, 7, 9, 9, 7, 7, 7])
    assert clustering_accuracy(counts) == 5 / 8
    assert match_categories(counts) == {7: 1, 9: 0}
    assert SCORE["many_to_one_accuracy"](counts) == 5 / 8
    # Pairs in agreement, of 28: 15 + 1 in the categories, 10 + 3 in the classes, 3 + 3 + 1 in both;
    # expected 16 * 13 / 28.
    expected = 16 * 13 / 28
    assert SCORE["adjusted_rand_index"](counts) == pytest.approx(
        (7 - expected) / ((16 + 13) / 2 - expected)
    )
    classes, groups = (
        5 / 8 * math.log(8 / 5) + 3 / 8 * math.log(8 / 3),
        6 / 8 * math.log(8 / 6) + 2 / 8 * math.log(8 / 2),
    )
    shared = (
        3 / 8 * math.log((3 / 8) / (5 / 8 * 6 / 8))
        + 2 / 8 * math.log((2 / 8) / (5 / 8 * 2 / 8))
        + 3 / 8 * math.log((3 / 8) / (3 / 8 * 6 / 8))
    )
    assert SCORE["normalized_mutual_information"](counts) == pytest.approx(
        shared / ((classes + groups) / 2)
    )


def test_more_categories_than_classes_leave_some_unmatched():
    counts = _counts([0, 0, 0, 1, 1, 1], [0, 0, 1, 2, 2, 2])
    assert clustering_accuracy(counts) == 5 / 6
    assert match_categories(counts) == {0: 0, 2: 1}
    assert SCORE["many_to_one_accuracy"](counts) == 1.0


def test_one_class_and_one_category_agree():
    for name in ("normalized_mutual_information", "adjusted_rand_index"):
        assert SCORE[name](_counts([0, 0, 0], [1, 1, 1])) == 1


# The generator and the recognizer alone.


def test_read_back():
    drawn = np.random.default_rng(0).uniform(-1, 1, 1000)
    assert SCORE["read_back_r2"](drawn, drawn) == 1
    assert SCORE["read_back_r2"](drawn, np.full(1000, drawn.mean())) == pytest.approx(0)
    assert SCORE["read_back_r2"]([0, 1, 2], [0, 1, 1]) == pytest.approx(1 - 1 / 2)
    assert SCORE["read_back_accuracy"]([0, 1, 2, 2], [0, 1, 2, 0]) == 0.75
    assert SCORE["mutual_information"](np.array([1.0, 2.0, 4.5])) == 2.5


def test_the_effects_of_independent_inputs_are_their_shares_of_the_variance():
    # x = 2 a + b with a, b ~ U(-1, 1): the shares are 4/5 and 1/5.
    generator = np.random.default_rng(0)
    a, b, a_again, b_again = generator.uniform(-1, 1, (4, 50_000, 1, 1, 1))
    assert SCORE["effect"](2 * a_again + b, 2 * a + b) == pytest.approx(0.8, abs=0.02)
    assert SCORE["effect"](2 * a + b_again, 2 * a + b) == pytest.approx(0.2, abs=0.02)
    assert SCORE["effect"](2 * a + b, 2 * a + b) == 0
    assert (
        SCORE["gray_level_change"](np.full((2, 1, 1, 1), 1.0), np.full((2, 1, 1, 1), -1.0)) == 255
    )
    assert SCORE["gray_level_change"](np.array([0.0, 0.0]), np.array([0.0, 0.2])) == pytest.approx(
        math.sqrt(0.02) * 127.5
    )


def test_equal_images_have_no_effect_to_speak_of():
    with pytest.raises(ValueError, match="all generated images are the same"):
        SCORE["effect"](np.ones((3, 1, 1, 1)), np.zeros((3, 1, 1, 1)))


def test_isolation_of_codes_apart_alike_and_half():
    changes = np.random.default_rng(0).normal(size=(200, 1))
    apart = {"a": changes * [1, 0, 0], "b": changes * [0, 1, 0], "still": np.zeros((200, 3))}
    assert SCORE["isolation"](apart) == pytest.approx({"a": 1, "b": 1, "still": 0})
    assert SCORE["isolation"](
        {"a": apart["a"], "b": -2 * apart["a"], "c": apart["b"]}
    ) == pytest.approx({"a": 0, "b": 0, "c": 1}, abs=1e-6)
    # b goes along (1, 1): half of what a changes lies along it, half across.
    assert SCORE["isolation"]({"a": changes * [1, 0], "b": changes * [1, 1]}) == pytest.approx(
        {"a": 0.5, "b": 0.5}
    )
    with pytest.raises(ValueError, match="only one code"):
        SCORE["isolation"]({"a": changes})


# Factors.


@pytest.mark.parametrize("name", FACTOR_METRICS)
def test_perfect_codes_score_high_constant_and_shuffled_ones_low(name, factors):
    perfect = SCORE[name](factors, factors)
    values = perfect.values() if isinstance(perfect, dict) else [perfect]
    # The gap of SAP is to chance, which is 1/3 to 1/5 here; a linear machine on one code does not
    # part values in the middle from both sides.
    assert min(values) > (0.25 if name == "separated_attribute_predictability" else 0.97)
    shuffled = np.random.default_rng(1).permutation(factors)
    constant = np.zeros_like(factors)
    for codes in (shuffled, constant):
        assert np.isfinite(_only(name, SCORE[name](codes, factors)))
        assert _only(name, SCORE[name](codes, factors)) < _only(name, perfect) - (
            0.15 if name == "separated_attribute_predictability" else 0.3
        )


@pytest.mark.parametrize("name", FACTOR_METRICS)
def test_the_order_and_the_sign_of_codes_do_not_matter(name, factors):
    generator = np.random.default_rng(2)
    codes = factors + generator.normal(size=factors.shape) * 0.3
    expected = _only(name, SCORE[name](codes, factors))
    assert _only(name, SCORE[name](codes[:, [2, 0, 1]], factors)) == pytest.approx(
        expected, abs=0.03
    )
    assert _only(name, SCORE[name](-codes, factors)) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("name", ["mutual_information_gap", "separated_attribute_predictability"])
def test_duplicated_codes_have_no_gap(name, factors):
    assert SCORE[name](np.concatenate([factors, factors], axis=1), factors) == pytest.approx(
        0, abs=1e-9
    )


def test_duplicated_codes_are_less_complete(factors):
    once, twice = (
        SCORE["dci"](codes, factors)
        for codes in (factors, np.concatenate([factors, factors], axis=1))
    )
    assert twice["completeness"] < once["completeness"] - 0.2
    assert twice["disentanglement"] == pytest.approx(once["disentanglement"], abs=0.05)


# Explicitness asks whether a factor can be read at all, and BetaVAE's linear classifier
# undoes the mixing.
@pytest.mark.parametrize(
    "name", [name for name in FACTOR_METRICS if name not in ("explicitness", "beta_vae_score")]
)
def test_mixed_codes_score_below_separate_ones(name, factors):
    standardized = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    mixed = standardized @ np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]])
    assert (
        _only(name, SCORE[name](mixed, factors)) < _only(name, SCORE[name](factors, factors)) - 0.05
    )


def test_factor_scores_worked_by_hand():
    # 600 points: code 0 is factor 0 (two values); code 1 is factor 1 (two values) half of the time;
    # the factors are independent.
    quarter = np.arange(600) // 2 % 4
    factors = np.stack([quarter // 2, quarter % 2], axis=1).astype(float)
    codes = factors.copy()
    codes[:, 1] = np.where(np.arange(600) % 2 == 0, factors[:, 1], 0.5)
    # MIG: I(c0; f0) = ln 2, the other code 0; I(c1; f1) = ln 2 / 2. Gaps 1 and 1/2.
    assert SCORE["mutual_information_gap"](codes, factors) == pytest.approx(0.75)
    assert SCORE["modularity"](codes, factors) == pytest.approx(1)
    # A third code that tells factor 0 wholly and factor 1 half: modularity 1 - (ln 2 / 2)^2
    # / (ln 2)^2 = 3/4.
    both = codes[:, :1] * 2 + codes[:, 1:]
    assert SCORE["modularity"](both, factors) == pytest.approx(3 / 4)
    # IRS of code 1: among points that share factor 1's value it is 0 or 0.5 (1 or 0.5), 0.25 from
    # its mean; at most 0.5 from its mean overall: 1 - 1/2. Code 0 never moves while factor 0 is
    # fixed: 1. Both weigh 0.5.
    assert SCORE["interventional_robustness"](codes, factors) == pytest.approx(0.75)
    # A code that is the factor predicts a continuous factor wholly; y = x + noise of the same
    # variance explains half of it.
    x, y = np.random.default_rng(0).normal(size=(2, 30_000))
    assert SCORE["separated_attribute_predictability"](
        np.stack([x, y], axis=1), (x + y)[:, None]
    ) == pytest.approx(0, abs=0.02)
    assert SCORE["separated_attribute_predictability"](
        x[:, None], (x + y)[:, None]
    ) == pytest.approx(0.5, abs=0.02)


def test_votes_elect_a_code_per_factor():
    # One code for two factors: whichever factor is fixed it varies least, so the vote can be right
    # for one of them only.
    factors = np.random.default_rng(0).integers(2, size=(3000, 2)).astype(float)
    assert SCORE["factor_vae_score"](factors[:, :1], factors) == pytest.approx(0.5, abs=0.03)


def test_codes_that_hardly_move_are_pruned(factors):
    noise = np.random.default_rng(0).normal(size=(len(factors), 1)) * 0.01
    assert SCORE["factor_vae_score"](np.concatenate([factors, noise], axis=1), factors) == SCORE[
        "factor_vae_score"
    ](factors, factors)
    assert SCORE["factor_vae_score"](noise, factors) == 0


@pytest.mark.parametrize("name", FACTOR_METRICS)
def test_factors_that_cannot_be_scored_are_refused(name, factors):
    with pytest.raises(ValueError, match="at least 100 images"):
        SCORE[name](factors[:99], factors[:99])
    with pytest.raises(ValueError, match="no factor changes"):
        SCORE[name](factors, np.ones_like(factors))


@pytest.mark.parametrize("name", ["factor_vae_score", "beta_vae_score", "dci", "modularity"])
def test_scores_that_compare_factors_refuse_a_single_one(name, factors):
    # The second factor changes, but not among the training points.
    rare = np.zeros(len(factors))
    rare[-3:] = 1
    with pytest.raises(ValueError, match="only one factor changes"):
        SCORE[name](factors, np.stack([factors[:, 0], rare], axis=1))


@pytest.mark.parametrize(
    "name",
    [
        "mutual_information_gap",
        "separated_attribute_predictability",
        "explicitness",
        "interventional_robustness",
    ],
)
def test_factors_that_do_not_change_among_the_training_points_do_not_count(name, factors):
    rare = np.zeros(len(factors))
    rare[-3:] = 1
    assert SCORE[name](factors, np.concatenate([factors, rare[:, None]], axis=1)) == pytest.approx(
        SCORE[name](factors, factors)
    )


@pytest.mark.parametrize("name", FACTOR_METRICS)
def test_one_code_continuous_factors_and_rare_values_give_numbers(name, factors):
    generator = np.random.default_rng(3)
    continuous = generator.normal(size=(len(factors), 2))
    rare = np.zeros(len(factors))
    rare[:2] = 1  # among the training points only
    for codes, truth in (
        (continuous[:, :1], continuous),
        (continuous, np.concatenate([factors, rare[:, None]], axis=1)),
    ):
        assert 0 <= _only(name, SCORE[name](codes, truth)) <= 1


def test_classes_and_bins():
    assert as_classes(np.array([0.5, -1, 0.5, 9])).tolist() == [1, 0, 1, 2]
    assert (
        np.bincount(as_classes(np.random.default_rng(0).normal(size=2000))).tolist() == [100] * 20
    )
    # Nearly all points at one end, many values at the other: two classes, whichever end it is.
    for many in (0.0, 1.0):
        skewed = np.where(np.arange(4000) < 3900, many, np.linspace(0.1, 0.9, 4000))
        assert len(np.unique(as_classes(skewed))) == 2
    assert in_bins(np.array([[0.0, 5], [0.5, 5], [1, 5]])).tolist() == [[1, 11], [11, 11], [20, 11]]


def test_agreeing_points_agree():
    classes = np.random.default_rng(0).integers(4, size=500)
    anchors = np.arange(100)
    drawn = agreeing(classes, anchors, 64, np.random.default_rng(1))
    assert (classes[drawn] == classes[anchors][:, None]).all()
    assert len(np.unique(drawn)) > 450


# Images.


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(0).normal(size=(2, 1000, 8))


def test_frechet_distance_is_that_of_scipy_and_of_the_closed_form(features):
    first, second = features[0], features[1] * 2 + 1
    covariances = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    expected = np.square(first.mean(0) - second.mean(0)).sum() + np.trace(
        sum(covariances) - 2 * scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    )
    assert SCORE["frechet_distance"](first, second) == pytest.approx(expected)
    assert SCORE["frechet_distance"](first, first) == pytest.approx(0, abs=1e-9)
    assert SCORE["frechet_distance"](first, first + 3) == pytest.approx(8 * 9)
    # Standard deviations 1 and 2 in one dimension: (1 - 2)^2.
    line = first[:, :1] / first[:, 0].std(ddof=1)
    assert SCORE["frechet_distance"](line, 2 * (line - line.mean()) + line.mean()) == pytest.approx(
        1
    )


def test_kernel_distance(features, monkeypatch):
    assert SCORE["kernel_distance"](*features) == pytest.approx(0, abs=0.01)
    assert SCORE["kernel_distance"](features[0], features[1] + 1) > 0.5
    # Two points each, d = 1, kernel (xy + 1)^3: within {0, 1} it is k(0, 1) = 1, within {1, 2} it
    # is 27; across the mean of k(0,1), k(0,2), k(1,1), k(1,2).
    assert SCORE["kernel_distance"](
        np.array([[0.0], [1]]), np.array([[1.0], [2]])
    ) == pytest.approx(1 + 27 - 2 * (1 + 1 + 8 + 27) / 4)
    # The estimate has no bias, whatever the size of the subsets.
    whole = SCORE["kernel_distance"](features[0], features[1] + 1)
    monkeypatch.setattr(kernel_distance, "SUBSET_SIZE", 50)
    parts = SCORE["kernel_distance"](features[0], features[1] + 1)
    assert parts == pytest.approx(whole, rel=0.1)
    assert parts != whole


def test_precision_recall_density_and_coverage(features):
    same = SCORE["precision_recall"](*features) | SCORE["density_coverage"](*features)
    assert same["precision"] > 0.6
    assert same["recall"] > 0.6
    assert same["density"] == pytest.approx(1, abs=0.15)
    assert same["coverage"] > 0.9
    far = SCORE["precision_recall"](features[0], features[1] + 100) | SCORE["density_coverage"](
        features[0], features[1] + 100
    )
    assert set(far.values()) == {0}
    # One mode of two: what is generated is real, but half of what is real is missing.
    real = np.concatenate([features[0], features[0] + 100])
    half = SCORE["precision_recall"](real, features[1]) | SCORE["density_coverage"](
        real, features[1]
    )
    assert half["precision"] > 0.6
    assert half["recall"] < 0.5
    assert half["coverage"] < 0.55


def test_balls_worked_by_hand():
    # Real points at 0, 1, ..., 5: the third neighbor of 0 is 3 away, of 1 it is 2; the ball of 5
    # reaches from 2 to 8. 8 lies in that of 5 only, 9 in none.
    real = np.arange(6.0)[:, None]
    assert SCORE["precision_recall"](real, np.array([[8.0], [9], [10], [11]]))["precision"] == 1 / 4
    # The fifth neighbor: the radii are 5, 4, 3, 3, 4, 5. 8 lies in the balls of 4 and 5, 9 and 10
    # in that of 5: density (2 + 1 + 1) / (5 * 4).
    assert SCORE["density_coverage"](real, np.array([[8.0], [9], [10], [11]])) == pytest.approx(
        {"density": 4 / 20, "coverage": 2 / 6}
    )


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("frechet_distance", 8),
        ("kernel_distance", 1),
        ("precision_recall", 3),
        ("density_coverage", 5),
    ],
)
def test_too_few_images_are_refused(name, count, features):
    with pytest.raises(ValueError, match="it needs"):
        SCORE[name](features[0, :count], features[1, :count])


def test_agreement_with_scikit_learn():
    generator = np.random.default_rng(0)
    labels, categories = generator.integers(7, size=(2, 500))
    counts = _counts(labels, categories)
    assert SCORE["normalized_mutual_information"](counts) == pytest.approx(
        sklearn.metrics.normalized_mutual_info_score(labels, categories)
    )
    assert SCORE["adjusted_rand_index"](counts) == pytest.approx(
        sklearn.metrics.adjusted_rand_score(labels, categories)
    )
    many_to_one = sklearn.metrics.confusion_matrix(labels, categories).max(axis=0).sum() / 500
    assert SCORE["many_to_one_accuracy"](counts) == pytest.approx(many_to_one)


# Classes, reconstructions and likelihoods.


def test_class_shares_are_those_of_the_nearest_real_images():
    # Three classes of 20 points each, at 0, 100 and 200; of ten images six are near the first, four
    # near the second, none near the third.
    real = np.concatenate([np.arange(20.0) + 100 * label for label in range(3)])[:, None]
    generated = np.array([5.0] * 6 + [105.0] * 4)[:, None]
    shares = SCORE["class_shares"](real, np.repeat([3, 5, 8], 20), generated)
    assert shares == pytest.approx(
        {
            "smallest": 0,
            "largest": 0.6,
            "perplexity": math.exp(-0.6 * math.log(0.6) - 0.4 * math.log(0.4)),
        }
    )
    even = SCORE["class_shares"](real, np.repeat([3, 5, 8], 20), real)
    assert even == pytest.approx({"smallest": 1 / 3, "largest": 1 / 3, "perplexity": 3})
    with pytest.raises(ValueError, match="it needs at least 10 real images, and there are 9"):
        SCORE["class_shares"](real[:9], np.zeros(9, int), generated)


def test_reconstruction_error_of_the_images_themselves_and_of_their_mean():
    images = np.random.default_rng(0).uniform(-1, 1, (50, 4, 4, 1))
    assert SCORE["reconstruction_error"](images, images) == {
        "mean_squared": 0,
        "unexplained_variance": 0,
        "distance_ratio": 0,
    }
    mean = np.broadcast_to(images.mean(axis=0), images.shape)
    # In [0, 1] a difference is half of what it is in [-1, 1], and its square a quarter.
    assert SCORE["reconstruction_error"](images, mean) == pytest.approx(
        {
            "mean_squared": ((images - mean) ** 2).mean() / 4,
            "unexplained_variance": 1,
            "distance_ratio": 1,
        }
    )
    with pytest.raises(ValueError, match="all real images are the same"):
        SCORE["reconstruction_error"](mean, images)


def test_reconstructions_nearer_to_their_own_image_than_to_others_have_a_small_ratio():
    images = np.array([-1.0, 1.0, -1.0, 1.0]).reshape(4, 1, 1, 1)
    # Each is 0.5 from its own and 1.5 from the one before it.
    ratio = SCORE["reconstruction_error"](images, images / 2)["distance_ratio"]
    assert ratio == pytest.approx(1 / 3)


def test_the_reconstruction_error_in_features_is_a_share_of_their_variance(features):
    assert SCORE["feature_reconstruction_error"](features, features) == 0
    mean = np.broadcast_to(features.mean(axis=0), features.shape)
    assert SCORE["feature_reconstruction_error"](features, mean) == pytest.approx(1)
    with pytest.raises(ValueError, match="the same features"):
        SCORE["feature_reconstruction_error"](mean, features)


def test_k_means_finds_clusters_that_are_classes_and_none_in_noise():
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 100)
    points = generator.normal(size=(400, 3)) + 20 * labels[:, None]
    assert SCORE["k_means_accuracy"](labels, points) == 1
    assert SCORE["k_means_accuracy"](generator.permutation(labels), points) < 0.4


def test_nearest_neighbors_worked_by_hand():
    known, asked = np.array([[0.0], [10.0], [20.0]]), np.array([[1.0], [9.0], [18.0], [2.0]])
    scores = SCORE["nearest_neighbor_accuracy"](
        np.array([0, 1, 2, 1]),
        np.array([0, 1, 2]),
        [("pixels", known, asked), ("encoder", 0 * known, asked)],
    )
    assert scores["pixels"] == 0.75
    assert scores["encoder"] in (0.25, 0.5), "one class for all"


def test_attributes_that_are_directions_flip_and_others_do_not():
    generator = np.random.default_rng(0)
    images = generator.normal(size=(300, 4, 4, 1)).astype(np.float32)
    has = images[:, 0, 0, 0] > 0
    before = images[~has]
    brighter, elsewhere = before.copy(), before.copy()
    brighter[:, 0, 0] += 3
    elsewhere[:, 2, 2] += 3
    scores = SCORE["attribute_flips"](
        {"bright": has}, [("bright", before, brighter, elsewhere)], images
    )
    assert scores.keys() == {"bright", "bright_random", "mean", "mean_random"}
    assert scores["bright"] == scores["mean"] > 0.9
    assert scores["bright_random"] == scores["mean_random"] < 0.1
    with pytest.raises(ValueError, match="of no attribute"):
        SCORE["attribute_flips"]({}, [], images)


def test_log_likelihood_is_a_mean_and_stands_beside_independent_pixels():
    generator = np.random.default_rng(0)
    nats = {"bound": np.array([-3.0, -5.0]), "importance_sampled": np.array([-2.0])}
    gray = generator.normal(size=(500, 2, 2, 1)) * 0.3
    scores = SCORE["log_likelihood"](nats, gray, 0)
    assert (scores["bound"], scores["importance_sampled"]) == (-4, -2)
    fitted = (
        scipy.stats.norm(gray.mean(axis=0), gray.std(axis=0))
        .logpdf(gray)
        .sum(axis=(1, 2, 3))
        .mean()
    )
    assert scores["independent_pixels"] == pytest.approx(fitted)
    binary = np.where(generator.random((500, 2, 2, 1)) < 0.3, 1, -1)
    fitted = (
        scipy.stats.bernoulli((binary.mean(axis=0) + 1) / 2)
        .logpmf((binary + 1) // 2)
        .sum(axis=(1, 2, 3))
        .mean()
    )
    assert SCORE["log_likelihood"](nats, binary, 2)["independent_pixels"] == pytest.approx(fitted)
    # Pixels that never change say nothing.
    assert SCORE["log_likelihood"](nats, np.ones((5, 2, 2, 1)), 2)[
        "independent_pixels"
    ] == pytest.approx(0, abs=1e-9)
    # Four values, each as often as the others, in every pixel.
    quarters = np.broadcast_to(np.linspace(-1, 1, 4)[:, None, None, None], (4, 2, 2, 1))
    assert SCORE["log_likelihood"](nats, quarters, 4)["independent_pixels"] == pytest.approx(
        4 * np.log(1 / 4)
    )


def test_bits_per_dimension_are_nats_in_other_units():
    images = np.zeros((2, 4, 4, 3))
    scores = SCORE["bits_per_dimension"](
        {"bound": np.array([-48 * np.log(2), -96 * np.log(2)])}, images
    )
    assert scores == {"bound": pytest.approx(1.5)}


def test_the_reconstruction_error_does_not_depend_on_parts():
    generator = np.random.default_rng(0)
    images, answers = (
        generator.uniform(-1, 1, (2500, 2, 2, 1)).astype(np.float32) for _ in range(2)
    )
    scores = SCORE["reconstruction_error"](images, answers)
    assert scores["mean_squared"] == pytest.approx(np.mean((images - answers) ** 2) / 4, rel=1e-5)
    assert scores["unexplained_variance"] == pytest.approx(
        np.mean((images - answers) ** 2) / images.var(axis=0).mean(), rel=1e-5
    )


def test_accuracy_of_a_classifier_is_the_share_that_is_right():
    assert SCORE["classification_accuracy"](np.diag([20, 5])) == 1
    # Of the third class the model does not know.
    assert SCORE["classification_accuracy"](np.array([[60, 5], [0, 20], [8, 7]])) == 0.8
