"""Codes as a person types them."""

import pytest

from keras_infogan.codes import Bernoulli, Categorical, Gaussian, Uniform
from keras_infogan.config import UserError
from keras_infogan.notation import check_names, parse_codes, with_continuous_weight


def test_parses_what_a_person_types():
    assert parse_codes(
        "digit=categorical(10), slant=uniform, 2*uniform(weight=0.5), Bernoulli"
    ) == (
        Categorical("digit", 10),
        Uniform("slant"),
        Uniform("continuous_1", weight=0.5),
        Uniform("continuous_2", weight=0.5),
        Bernoulli("binary_1"),
    )
    assert parse_codes("smile=bernoulli(0.2, weight=3), tilt = gaussian()") == (
        Bernoulli("smile", 0.2, 3.0),
        Gaussian("tilt"),
    )
    assert parse_codes("slant=uniform(shear=0.4), turn=gaussian(weight=2, rotate=20)") == (
        Uniform("slant", guide=("shear", 0.4)),
        Gaussian("turn", weight=2.0, guide=("rotate", 20.0)),
    )
    assert [code.name for code in parse_codes("10*categorical(10)")] == [
        f"categorical_{index}" for index in range(1, 11)
    ]


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
        ("a=uniform(shear=0)", "needs a finite number above 0 of shear"),
        ("a=uniform(shear=inf)", "needs a finite number above 0 of shear"),
        ("a=uniform(shear=0.4, rotate=3)", "cannot read 'rotate=3'"),
        ("a=uniform(shift=0.4)", "cannot read 'shift=0.4'"),
        ("a=bernoulli(shear=0.4)", "cannot read 'shear=0.4'"),
    ],
)
def test_a_typo_is_one_sentence(text, part):
    with pytest.raises(UserError, match="--codes") as error:
        parse_codes(text)
    assert part in str(error.value)


def test_no_codes_are_none():
    assert parse_codes("") == parse_codes("  ") == ()


def test_who_gives_the_names_is_said():
    with pytest.raises(UserError, match="--rename: the name 'image' is reserved"):
        check_names("--rename", ["slant", "image"])


def test_a_weight_for_all_continuous_codes_becomes_one_of_each():
    """As runs of version 2 have it."""
    text = (
        "kind=categorical(3, weight=2), slant=uniform(weight=0.5), 2*gaussian, smile=bernoulli(0.3)"
    )
    assert with_continuous_weight(text, 1.0) == text
    codes, weighted = parse_codes(text), parse_codes(with_continuous_weight(text, 0.1))
    assert [(code.name, type(code)) for code in weighted] == [
        (code.name, type(code)) for code in codes
    ]
    assert [code.weight for code in weighted] == pytest.approx([2, 0.05, 0.1, 0.1, 1])
    assert (weighted[0].num_categories, weighted[-1].probability) == (3, 0.3)
    # As a person would write them: a run is told by its codes' text.
    assert (
        with_continuous_weight("digit=categorical(10), 2*uniform", 0.1)
        == "digit=categorical(10), 2*uniform(weight=0.1)"
    )
