"""What comes from outside: JSON of any form, and text that a terminal or spreadsheet would obey."""

import pytest

from keras_infogan import untrusted


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ('{"a": [1, 2.5, null, true, "x"]}', {"a": [1, 2.5, None, True, "x"]}),
        (b"3", 3),
        (b"\xef\xbb\xbf3", 3),
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r'"\udcff"', "\udcff"),
        (str(2**63 - 1), 2**63 - 1),
        (str(1 - 2**63), 1 - 2**63),
        ("1e308", 1e308),
    ],
)
def test_json_is_read(text, content):
    assert untrusted.parse_json(text) == content


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        b"\xff",
        r'"\ud800"',
        r'{"\uD83D": 1}',
        "1e999",
        "-1e999",
        "[NaN]",
        "[Infinity]",
        "[-Infinity]",
        str(2**63),
        str(-(2**63)),
        "9" * 400,
        "9" * 5000,
        "[" * 100_000,
        '{"a":' * 100_000,
        "[" * 100_000 + "]" * 100_000,
    ],
)
def test_what_is_no_usable_json_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        untrusted.parse_json(text)


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (1, int),
        (1, float),
        (1.5, float),
        (True, bool),
        (None, None),
        (None, (str, None)),
        ("x", (str, None)),
        ([], [int]),
        ([[1], [2, 3]], [[int]]),
        ({"a": 1, "b": 2}, {str: int}),
        ({"step": 1, "other": "x"}, {"step": int}),
    ],
)
def test_content_of_a_form(content, form):
    assert untrusted.has_form(content, form)


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (1.0, int),
        (True, int),
        (True, float),
        (1, bool),
        (1, str),
        (0, None),
        (1, (str, None)),
        ({}, [int]),
        ([1, "2"], [int]),
        ([], {str: int}),
        ({"a": 1, "b": None}, {str: int}),
        ({"other": 1}, {"step": int}),
        ({"step": None}, {"step": int}),
    ],
)
def test_content_of_another_form(content, form):
    assert not untrusted.has_form(content, form)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("caf\u00e9 \u65e5\u672c \U0001f600\n\tx", "caf\u00e9 \u65e5\u672c \U0001f600\n\tx"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J\x7f\x00\b\r", r"\x9b2J\x7f\x00\x08\r"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
    ],
)
def test_control_characters_are_written_out(text, shown):
    assert untrusted.printable(text) == shown


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<script>&", "&lt;script&gt;&amp;"),
        ("a | b", r"a \| b"),
        ("![x](https://host)", r"!\[x\](https://host)"),
        ("C:\\x", r"C:\\x"),
        ("a\n# title", "a # title"),
        ("\x1b[0m", r"\\x1b\[0m"),
        ("clustering_accuracy 0.5", "clustering_accuracy 0.5"),
    ],
)
def test_no_text_is_markup(text, written):
    assert untrusted.markdown(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("seed_0", "seed_0"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(text, written):
    assert untrusted.cell(text) == written
