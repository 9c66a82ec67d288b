"""Alarms in plain words: what the scores of a run say has gone wrong."""

import dataclasses

# A code that carries less than this share of its entropy is ignored.
_IGNORED_INFORMATION = 0.1
# An input that takes part in less than this share of the images' variance goes unseen.
_UNSEEN_EFFECT = 0.01
_QUIET_NOISE = 0.05
# Of R^2: a continuous code that is read back better is not ignored.
_READ_BACK_R2 = 0.2
# Two categories of ten that give the same images leave 90% read back right.
_READ_BACK_RIGHT = 0.92
_CONSISTENT = 0.8
_LARGEST_SHARE = 3.0  # times an equal share
_SMALLEST_SHARE = 0.1
_LITTLE_COVERAGE = 0.1
_OF_CODES = ("mutual_information", "effect", "read_back_r2", "read_back_accuracy", "consistency")
# About codes, of one kind; of more one sentence tells.
_MOST_SENTENCES = 3


@dataclasses.dataclass(frozen=True)
class Alarm:
    """
    Attributes:
      kind: what has gone wrong, a name for programs: not_finite, ignored_code, hidden_code,
        collapsed_categories, inconsistent_categories, ignored_noise, uneven_categories,
        unused_categories, low_coverage, unfinished.
      sentence: the same for people.
    """

    kind: str
    sentence: str


def alarms(scores, codes, shares, skipped=()):
    """Returns the Alarms, a list; empty where nothing is wrong.

    Args:
      scores: dict from "<score>/<part>" to a number, as in metrics.json.
      codes: the codes of the model.
      shares: dict from a categorical code's name to each category's share of the real images, float
        (categories,); may be empty.
      skipped: why scores could not be had, dicts with "reason" and "kind", as in metrics.json.
    """
    faults = dict.fromkeys(entry["reason"] for entry in skipped if entry["kind"] == "not_finite")
    found = [Alarm("not_finite", f"{reason[:1].upper()}{reason[1:]}.") for reason in faults]
    of_codes = []
    for code in codes:
        of_codes += _of_code(code, {name: scores.get(f"{name}/{code.name}") for name in _OF_CODES})
    found += _shortened(of_codes)
    noise = scores.get("effect/noise")
    if noise is not None and noise < _QUIET_NOISE:
        text = (
            f"The noise is ignored: it takes part in {noise:.1%} of what the images differ in, so "
            "equal codes give almost equal images."
        )
        found.append(Alarm("ignored_noise", text))
    for name, values in shares.items():
        found += _of_shares(name, values)
    coverage = scores.get("density_coverage/coverage")
    if coverage is not None and coverage < _LITTLE_COVERAGE:
        text = (
            f"The generated images are near only {coverage:.0%} of the real ones (coverage): the "
            "generator has collapsed, or its images do not look real."
        )
        found.append(Alarm("low_coverage", text))
    return found


def unfinished(step, steps):
    """Returns the Alarm, in a list, that a run has not taken all of its steps; an
    empty list if it has.
    """
    return (
        [Alarm("unfinished", f"The run is unfinished: step {step:,} of {steps:,}.")]
        if step < steps
        else []
    )


def _shortened(of_codes):
    """Returns the Alarms of codes, given as (code's name, Alarm), those of a kind as one
    where they are many.
    """
    found = []
    words = {
        "ignored_code": "ignored",
        "hidden_code": "hidden",
        "collapsed_categories": "collapsed",
        "inconsistent_categories": "inconsistent",
    }
    for kind, text in words.items():
        members = [(name, alarm) for name, alarm in of_codes if alarm.kind == kind]
        if len(members) > _MOST_SENTENCES:
            found.append(
                Alarm(
                    kind,
                    f"{len(members)} codes are {text}: {', '.join(name for name, _ in members)}; "
                    f"{members[0][1].sentence}",
                )
            )
        else:
            found += [alarm for _, alarm in members]
    return found


def _of_code(code, scores):
    information, effect, read_back, read_right, consistent = (scores[name] for name in _OF_CODES)
    found = []
    if consistent is not None and consistent < _CONSISTENT:
        text = (
            f"Values of {code.name} are no kinds of image: only {consistent:.0%} of the real "
            "images keep theirs when they are turned or moved a little."
        )
        found.append((code.name, Alarm("inconsistent_categories", text)))
    if information is None:
        return found
    # Under a fixed, wide posterior the bound of a continuous code stays low however well
    # it is read back.
    if information < _IGNORED_INFORMATION * code.entropy and (
        read_back is None or read_back < _READ_BACK_R2
    ):
        text = (
            f"The code {code.name} is ignored: an image tells {max(information, 0):.2f} of "
            f"{code.entropy:.2f} nats about it."
        )
        return [*found, (code.name, Alarm("ignored_code", text))]
    if effect is not None and effect < _UNSEEN_EFFECT:
        text = (
            f"The code {code.name} hides: the recognizer reads {information:.2f} of "
            f"{code.entropy:.2f} nats from the images, but it takes part in only {effect:.2%} of "
            "what they differ in."
        )
        found.append((code.name, Alarm("hidden_code", text)))
    if code.has_categories and read_right is not None and read_right < _READ_BACK_RIGHT:
        text = (
            f"Categories of {code.name} collapse: only {read_right:.0%} of the images are read "
            "back as the category they were drawn with."
        )
        found.append((code.name, Alarm("collapsed_categories", text)))
    return found


def _of_shares(name, shares):
    found, equal = [], 1 / len(shares)
    if max(shares) > _LARGEST_SHARE * equal:
        largest = max(range(len(shares)), key=shares.__getitem__)
        text = (
            f"Category {largest} of {name} holds {max(shares):.0%} of the real images; an equal "
            f"share is {equal:.0%}."
        )
        found.append(Alarm("uneven_categories", text))
    unused = [
        str(category) for category, share in enumerate(shares) if share < _SMALLEST_SHARE * equal
    ]
    if unused:
        text = (
            f"Categor{'y' if len(unused) == 1 else 'ies'} {', '.join(unused)} of {name} "
            f"hold{'s' if len(unused) == 1 else ''} almost no real image."
        )
        found.append(Alarm("unused_categories", text))
    return found
