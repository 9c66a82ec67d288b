"""Alarms: each by what it is for, and none where nothing is wrong."""

import pytest

from keras_infogan import alarms
from keras_infogan.codes import Categorical, Uniform

KIND, SLANT = Categorical("kind", 4), Uniform("slant")


def test_a_code_read_back_well_under_a_wide_fixed_posterior_is_not_ignored():
    assert (
        alarms.alarms(
            {"mutual_information/slant": -0.23, "read_back_r2/slant": 0.99, "effect/slant": 0.2},
            (SLANT,),
            {},
        )
        == []
    )


@pytest.mark.parametrize(
    ("scores", "shares", "kind", "part"),
    [
        (
            {"mutual_information/kind": 0.05},
            {},
            "ignored_code",
            "The code kind is ignored: an image tells 0.05 of 1.39 nats",
        ),
        ({"mutual_information/kind": -3.0}, {}, "ignored_code", "tells 0.00 of 1.39 nats"),
        (
            {"mutual_information/slant": -0.2, "read_back_r2/slant": 0.1},
            {},
            "ignored_code",
            "The code slant is ignored",
        ),
        (
            {"mutual_information/slant": 0.6, "effect/slant": 0.001},
            {},
            "hidden_code",
            "The code slant hides",
        ),
        (
            {"mutual_information/kind": 0.7, "read_back_accuracy/kind": 0.5},
            {},
            "collapsed_categories",
            "Categories of kind collapse: only 50% of the images",
        ),
        ({"consistency/kind": 0.7}, {}, "inconsistent_categories", "only 70% of the real images"),
        (
            {"mutual_information/kind": 1.3, "consistency/kind": 0.59},
            {},
            "inconsistent_categories",
            "only 59% of the real images keep theirs",
        ),
        (
            {"effect/noise": 0.001},
            {},
            "ignored_noise",
            "The noise is ignored: it takes part in 0.1%",
        ),
        ({"density_coverage/coverage": 0.02}, {}, "low_coverage", "near only 2% of the real ones"),
        (
            {},
            {"kind": [0.8, 0.1, 0.1, 0.0]},
            "uneven_categories",
            "Category 0 of kind holds 80% of the real images; an equal share is 25%",
        ),
        (
            {},
            {"kind": [0.5, 0.5, 0.0, 0.0]},
            "unused_categories",
            "Categories 2, 3 of kind hold almost no real image",
        ),
    ],
)
def test_alarms(scores, shares, kind, part):
    found = alarms.alarms(scores, (KIND, SLANT), shares)
    assert any(part in alarm.sentence and alarm.kind == kind for alarm in found), found
    assert len(found) == 1 + (shares.get("kind", [0])[0] == 0.8)


def test_what_is_not_finite_is_said_once():
    skipped = [{"reason": "the images are not finite", "kind": "not_finite"}] * 3 + [
        {"reason": "no network", "kind": "missing"}
    ]
    assert alarms.alarms({}, (), {}, skipped) == [
        alarms.Alarm("not_finite", "The images are not finite.")
    ]


def test_of_many_codes_one_sentence_tells():
    codes = [Uniform(f"z_{index}") for index in range(12)]
    scores = {f"mutual_information/{code.name}": 0.001 for code in codes[:10]}
    scores |= {
        f"{score}/{code.name}": value
        for code in codes[10:]
        for score, value in (("mutual_information", 0.6), ("effect", 0.001))
    }
    ignored, *hidden = alarms.alarms(scores, codes, {})
    assert ignored.kind == "ignored_code"
    assert ignored.sentence.startswith("10 codes are ignored: z_0, z_1, z_2, ")
    assert [(alarm.kind, alarm.sentence.split(":")[0]) for alarm in hidden] == [
        ("hidden_code", "The code z_10 hides"),
        ("hidden_code", "The code z_11 hides"),
    ]
