"""The notation of --codes: codes as a person types them, for example `digit=categorical(10),
slant=uniform(weight=0.5), 2*bernoulli`.
"""

import math
import re

from keras_infogan import codes as kinds
from keras_infogan.config import UserError, did_you_mean

_UNNAMED = {
    "categorical": "categorical",
    "uniform": "continuous",
    "gaussian": "continuous",
    "bernoulli": "binary",
}
_ENTRY = re.compile(
    r"(?:(?P<count>[0-9]{1,9})\s*\*\s*|(?P<name>[^=(]*?)\s*=\s*)?(?P<kind>\w+)\s*(?:\((?P<arguments>[^()]*)\))?"
)
_BETWEEN_CODES = r",(?![^()]*\))"  # a comma that is not within brackets
_EXAMPLE = (
    '"digit=categorical(10), slant=uniform, 2*uniform, smile=bernoulli(0.5), '
    'tilt=gaussian(weight=0.1)"'
)
# Names and endings that columns of tables have.
_RESERVED, _RESERVED_ENDINGS = ("noise", "image", "label"), ("_probability", "_mean", "_std")


def parse_codes(text):
    """Parses codes.

    `N*kind` makes N codes; codes without a name are called categorical_1, continuous_1, binary_1
    and so on, per kind. Inside the brackets stand the number of categories, or the probability of a
    bernoulli code, `weight=W`, which multiplies this code's part of the recognizer's loss, and of a
    continuous code a change that it learns from real images, such as `shear=0.4` (see
    codes.GUIDES).

    Returns:
      A tuple of codes.

    Raises:
      UserError: in one sentence, with the part that could not be read.
    """
    codes, unnamed = [], dict.fromkeys(_UNNAMED.values(), 0)
    for part in re.split(_BETWEEN_CODES, text) if text.strip() else []:
        match = _ENTRY.fullmatch(part.strip())
        if not match:
            raise UserError(f"--codes: cannot read {part.strip()!r}; write it like {_EXAMPLE}.")
        kind = match["kind"].lower()
        if kind not in _UNNAMED:
            raise UserError(
                f"--codes: {match['kind']!r} is no kind of code{did_you_mean(kind, _UNNAMED)}; "
                f"the kinds are {', '.join(_UNNAMED)}."
            )
        arguments = _parse_arguments(kind, match["arguments"] or "", part.strip())
        count = int(match["count"]) if match["count"] else 1
        if not 1 <= count <= 1000:
            raise UserError(
                f"--codes: {part.strip()!r} asks for {count} codes; "
                "between 1 and 1000 are possible."
            )
        for _ in range(count):
            name = match["name"]
            if name is None:
                unnamed[_UNNAMED[kind]] += 1
                name = f"{_UNNAMED[kind]}_{unnamed[_UNNAMED[kind]]}"
            codes.append(kinds.KINDS[kind](name, **arguments))
    check_names("--codes", [code.name for code in codes])
    return tuple(codes)


def parse_latents(text, title, allowed, example):
    """Parses the codes of a model that generates from nothing else, and learns them from nothing
    but the images.

    Args:
      text: see `parse_codes`.
      title: of the model, for the sentences.
      allowed: tuple of the kinds that they may be of.
      example: how to write them.

    Raises:
      UserError: if there are none, or one is of another kind or has something in brackets.
    """
    codes = parse_codes(text)
    other = next((code for code in codes if code.kind not in allowed), None)
    if not codes or other:
        received = f"{other.name} is {other.kind}" if other else "there are none"
        raise UserError(
            f"--codes: the latents of {title} are {' or '.join(allowed)}, and {received}; write "
            f'them like --codes="{example}".'
        )
    if any(code.weight != 1 for code in codes):
        raise UserError(
            f"--codes: the latents of {title} have no weights of their own; leave what stands in "
            "brackets out."
        )
    if any(code.guide for code in codes):
        raise UserError(
            f"--codes: the latents of {title} learn no change of the image; leave what stands in "
            "brackets out, or train an InfoGAN."
        )
    return codes


def parse_label(text, title):
    """Parses the label of a model that draws images given one, a categorical code with a value for
    each class: a tuple of it alone.

    Args:
      text: see `parse_codes`.
      title: of the model, for the sentence.

    Raises:
      UserError: if it is no such code, or there are others.
    """
    codes = parse_codes(text)
    if len(codes) != 1 or not codes[0].has_categories or codes[0].weight != 1:
        raise UserError(
            f"--codes={text!r}: {title} has its label as the one code, without a weight, such as "
            '--codes="digit=categorical(10)".'
        )
    return codes


def with_continuous_weight(text, weight):
    """Returns codes in which the weight of every continuous code is multiplied, as a setting of its
    own, `continuous_weight`, did before version 3 of runs.

    They are written as a person would write them, so that the same codes, asked for again, are
    found to be the same.
    """
    if weight == 1:
        return text
    parts = []
    for part in re.split(_BETWEEN_CODES, text):
        code = parse_codes(part)[0]
        if code.continuous:
            part = f"{part.split('(')[0].rstrip()}(weight={code.weight * weight!r})"
        parts.append(part.strip())
    return ", ".join(parts)


def check_names(flag, names):
    """Raises UserError unless these can be the names of a model's codes; `flag` says
    where they come from.
    """
    for name in names:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name):
            raise UserError(
                f"{flag}: {name!r} is no name; use letters, digits and underscores, "
                "beginning with a letter."
            )
        if name in _RESERVED or name.endswith(_RESERVED_ENDINGS):
            raise UserError(f"{flag}: the name {name!r} is reserved; give the code another one.")
        if names.count(name) > 1:
            raise UserError(
                f"{flag}: the name {name!r} is given twice; give every code a name of its own."
            )


def _parse_arguments(kind, text, part):
    arguments, guide = {}, {}
    positional = {"categorical": "num_categories", "bernoulli": "probability"}.get(kind)
    for argument in filter(None, (piece.strip() for piece in text.split(","))):
        key, _, value = argument.rpartition("=")
        key = key.strip() or positional
        try:
            if key == "num_categories":
                arguments[key] = int(value)
            elif kind in ("uniform", "gaussian") and key in kinds.GUIDES and not guide:
                guide["guide"] = key, float(value)
            elif key in ("weight", "probability") and (key == "weight" or kind == "bernoulli"):
                arguments[key] = float(value)
            else:
                raise ValueError
        except ValueError:
            raise UserError(
                f"--codes: cannot read {argument!r} in {part!r}; write it like {_EXAMPLE}."
            ) from None
    if kind == "categorical" and not 2 <= arguments.get("num_categories", 0) <= 10_000:
        raise UserError(
            f"--codes: {part!r} needs a number of categories from 2 to 10000, as in "
            "categorical(10)."
        )
    if not 0 <= arguments.get("weight", 1.0) < math.inf:
        raise UserError(f"--codes: the weight in {part!r} must be a finite number of at least 0.")
    if not 0 < arguments.get("probability", 0.5) < 1:
        raise UserError(f"--codes: the probability in {part!r} must lie between 0 and 1.")
    if guide and not 0 < guide["guide"][1] < math.inf:
        raise UserError(
            f"--codes: {part!r} needs a finite number above 0 of {guide['guide'][0]}, by which an "
            "image changes when the code goes up by 1."
        )
    return arguments | guide
