"""Alarms in plain words: what the scores of a run say has gone wrong."""

# A code that carries less than this share of its entropy is ignored.
_IGNORED_INFORMATION = 0.1
# An input that takes part in less than this share of the images' variance goes unseen.
_UNSEEN_EFFECT = 0.01
_QUIET_NOISE = 0.05
# Of R^2: a continuous code that is read back better is not ignored.
_READ_BACK_R2 = 0.2
# Two categories of ten that give the same images leave 90% read back right.
_READ_BACK_RIGHT = 0.92
_LARGEST_SHARE = 3.0  # times an equal share
_SMALLEST_SHARE = 0.1
_LITTLE_COVERAGE = 0.1


def alarms(scores, codes, shares, reasons=()):
    """Returns the alarms, a list of sentences; empty where nothing is wrong.

    Args:
      scores: dict from "<score>/<part>" to a number, as in metrics.json.
      codes: the codes of the model.
      shares: dict from a categorical code's name to each category's share of the real images, float (categories,); may be empty.
      reasons: why scores could not be had.
    """
    found = [f"{reason[0].upper()}{reason[1:]}." for reason in dict.fromkeys(reasons) if "not finite" in reason]
    for code in codes:
        found += _of_code(code, *(scores.get(f"{name}/{code.name}") for name in ("mutual_information", "effect", "read_back_r2", "read_back_accuracy")))
    noise = scores.get("effect/noise")
    if noise is not None and noise < _QUIET_NOISE:
        found.append(f"The noise is ignored: it takes part in {noise:.1%} of what the images differ in, so equal codes give almost equal images.")
    for name, values in shares.items():
        found += _of_shares(name, values)
    coverage = scores.get("density_coverage/coverage")
    if coverage is not None and coverage < _LITTLE_COVERAGE:
        found.append(
            f"The generated images are near only {coverage:.0%} of the real ones (coverage): the generator has collapsed, or its images do not look real."
        )
    return found


def _of_code(code, information, effect, read_back, read_right):
    if information is None:
        return []
    # Under a fixed, wide posterior the bound of a continuous code stays low however well it is read back.
    if information < _IGNORED_INFORMATION * code.entropy and (read_back is None or read_back < _READ_BACK_R2):
        return [f"The code {code.name} is ignored: an image tells {max(information, 0):.2f} of {code.entropy:.2f} nats about it."]
    found = []
    if effect is not None and effect < _UNSEEN_EFFECT:
        found.append(
            f"The code {code.name} hides: the recognizer reads {information:.2f} of {code.entropy:.2f} nats from the images, "
            f"but it takes part in only {effect:.2%} of what they differ in."
        )
    if code.kind == "categorical" and read_right is not None and read_right < _READ_BACK_RIGHT:
        found.append(f"Categories of {code.name} collapse: only {read_right:.0%} of the images are read back as the category they were drawn with.")
    return found


def _of_shares(name, shares):
    found, equal = [], 1 / len(shares)
    if max(shares) > _LARGEST_SHARE * equal:
        found.append(
            f"Category {max(range(len(shares)), key=shares.__getitem__)} of {name} holds {max(shares):.0%} of the real images; an equal share is {equal:.0%}."
        )
    unused = [str(category) for category, share in enumerate(shares) if share < _SMALLEST_SHARE * equal]
    if unused:
        found.append(f"Categor{'y' if len(unused) == 1 else 'ies'} {', '.join(unused)} of {name} hold{'s' if len(unused) == 1 else ''} almost no real image.")
    return found
