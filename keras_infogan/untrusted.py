"""What comes from files, the environment and servers, which may hold anything: its form is checked
where it enters, and nothing of it acts where it is shown.
"""

import html
import json
import math
import re

_LARGEST_INTEGER = 2**63 - 1
# Control characters of ASCII and Latin-1 but for tab and line feed, and those that turn the
# direction of a line.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_FORMULA = re.compile(r"[=+\-@\t\r]")


def parse_json(text):
    """Returns the content of a JSON text or bytes.

    Raises:
      ValueError: if it is no JSON in UTF-8, is nested too deeply, or has a number that is not
        finite, an integer of more than 64 bits, or a text that cannot be written to a file.
    """
    text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
    try:
        content = json.loads(text, parse_int=_integer, parse_float=_finite, parse_constant=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if "\\ud" in text.lower():  # half of a pair, or a byte of a file's name
        json.dumps(content, ensure_ascii=False).encode(errors="surrogateescape")
    return content


def _integer(text):
    if len(text) > len(str(-_LARGEST_INTEGER)) or abs(int(text)) > _LARGEST_INTEGER:
        raise ValueError(f"{text[:20]}... has more than 64 bits")
    return int(text)


def _finite(text):
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no finite number")
    return number


def has_form(content, form):
    """Whether JSON content has a form.

    Args:
      content: what `parse_json` returned.
      form: a type, or None, of which float takes integers too and int no bool; a tuple of forms,
        any of which will do; [the form of every item]; {str: the form of every value}; or a dict
        from the keys that must be there, among others, to the forms of their values.
    """
    if isinstance(form, tuple):
        return any(has_form(content, one) for one in form)
    if isinstance(form, list):
        return isinstance(content, list) and all(has_form(item, form[0]) for item in content)
    if isinstance(form, dict):
        if not isinstance(content, dict):
            return False
        forms = dict.fromkeys(content, form[str]) if str in form else form
        return all(key in content and has_form(content[key], forms[key]) for key in forms)
    if form is float:
        return type(content) in (int, float)
    return content is None if form is None else type(content) is form


def printable(text):
    """Returns a text with its control characters written out, as in "\\x1b": no terminal obeys
    them.
    """
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def markdown(text):
    """Returns a text for a line of Markdown, in which nothing of it is HTML, a link or the end of a
    cell.
    """
    text = html.escape(printable(text), quote=False).replace("\n", " ")
    return re.sub(r"[\\\[\]|]", r"\\\g<0>", text)


def cell(text):
    """Returns a text for a table in CSV: one that a spreadsheet would take for a formula with an
    apostrophe before it.
    """
    return f"'{text}" if _FORMULA.match(text) else text
