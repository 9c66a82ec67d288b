"""Scores against known answers."""

import numpy as np
import pytest

from keras_infogan.metrics.clustering_accuracy import clustering_accuracy

LABELS = np.repeat(np.arange(5), 20)


def test_perfect_up_to_the_names_of_the_categories():
    accuracy, matches = clustering_accuracy(LABELS, (LABELS * 2 + 3) % 5)
    assert accuracy == 1.0
    assert matches == {(label * 2 + 3) % 5: label for label in range(5)}


def test_constant_categories_match_one_class():
    assert clustering_accuracy(LABELS, np.zeros_like(LABELS))[0] == pytest.approx(0.2)


def test_shuffled_categories_are_near_chance():
    shuffled = np.random.default_rng(0).permutation(np.repeat(LABELS, 100))
    assert clustering_accuracy(np.repeat(LABELS, 100), shuffled)[0] == pytest.approx(0.2, abs=0.03)


def test_a_case_worked_by_hand():
    # Counts: class 0 is {a: 3, b: 2}, class 1 is {a: 3, b: 0}. Greedily a=0 gives 3; a=1 and b=0 give 3 + 2 of 8.
    accuracy, matches = clustering_accuracy([0, 0, 0, 0, 0, 1, 1, 1], [7, 7, 7, 9, 9, 7, 7, 7])
    assert accuracy == 5 / 8
    assert matches == {7: 1, 9: 0}


def test_more_categories_than_classes_leave_some_unmatched():
    accuracy, matches = clustering_accuracy([0, 0, 0, 1, 1, 1], [0, 0, 1, 2, 2, 2])
    assert accuracy == 5 / 6
    assert matches == {0: 0, 2: 1}
