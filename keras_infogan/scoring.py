"""From evidence to metrics.json: runs the scores, each on its own, so that one that cannot be had
keeps no other back.
"""

import inspect
import math
import time

import numpy as np
from scipy.stats import entropy

from keras_infogan.capabilities import IncapableError
from keras_infogan.config import UserError
from keras_infogan.evidence import NotFiniteError, PerCode
from keras_infogan.metrics import METRICS
from keras_infogan.metrics.clustering_accuracy import match_categories
from keras_infogan.metrics.points import as_classes, information, split
from keras_infogan.untrusted import printable

_KINDS = {NotFiniteError: "not_finite", IncapableError: "incapable"}


def score_all(names, evidence):
    """Returns what METRICS of these names say of a model.

    Returns:
      A dict of "scores" (from "<score>" or "<score>/<part>" to a finite number), "protocols" and
      "seconds" (both by score), "skipped" (from the name of a score that could not be had to
      {"reason": a text, "kind": "not_finite", "incapable" or "missing"}), "details" (tables behind
      scores) and "counts" (of images). Seconds include what a score is the first to ask for.
    """
    result = {"scores": {}, "protocols": {}, "seconds": {}, "skipped": {}}
    for name in names:
        started = time.monotonic()
        try:
            numbers = score(METRICS[name], evidence)
            needs = inspect.signature(METRICS[name].function).parameters
            about = f"; features: {evidence.feature_space[1]}" if "real_features" in needs else ""
            binarization = _binarization(evidence.model) if "likelihoods" in needs else ""
            result["protocols"][name] = METRICS[name].protocol + about + binarization
        except (UserError, ValueError) as error:
            kind = next(
                (kind for known, kind in _KINDS.items() if isinstance(error, known)), "missing"
            )
            result["skipped"][name] = {"reason": str(error).removesuffix("."), "kind": kind}
        else:
            result["scores"] |= numbers
            listed = ", ".join(
                f"{key.removeprefix(name).removeprefix('/')} {number:.4g}".strip()
                for key, number in numbers.items()
            )
            print(f"{name}: {listed}{binarization}")
        result["seconds"][name] = round(time.monotonic() - started, 2)
    reasons = {name: skipped["reason"] for name, skipped in result["skipped"].items()}
    for reason in dict.fromkeys(reasons.values()):
        unscored = ", ".join(name for name, why in reasons.items() if why == reason)
        print(printable(f"not scored: {unscored}: {reason}"))
    result["details"] = _details(names, evidence, result["skipped"])
    result["counts"] = evidence.counts()
    return result


def _binarization(model):
    """Returns how a model with a likelihood had its training images made black and white, a text
    to stand behind its scores; "" where it did not.
    """
    kind = model.likelihood.get("binarization")
    return f"; binarization in training: {kind}" if kind else ""


def merged(result, earlier) -> dict:
    """Returns the scores of `result` with those of an earlier evaluation of the same step and draws
    that it does not have.

    Args:
      result: what `score_all` returned, with "evaluated" (all that must be the same for scores to
        stand side by side) and "command".
      earlier: the content of metrics.json, or None.
    """
    commands = [result.pop("command")]
    if earlier and earlier.get("evaluated") == result["evaluated"]:
        commands = list(dict.fromkeys([*earlier["commands"], *commands]))
        renewed = {*result["protocols"], *result["skipped"]}
        for table in ("scores", "protocols", "seconds", "skipped"):
            kept = {
                key: value
                for key, value in earlier[table].items()
                if key.split("/")[0] in METRICS.keys() - renewed
            }
            result[table] = kept | result[table]
        for table in ("details", "counts"):
            result[table] = earlier[table] | result[table]
    elif earlier:
        print(
            f"{len(earlier['scores'])} earlier scores are of another model, "
            "data or draws and are replaced."
        )
    return result | {"commands": commands}


def score(metric, evidence):
    """Returns the numbers of one score, a dict from its name, or its name and a part's
    ("dci/completeness", "effect/noise"), to a float.

    Raises:
      UserError, ValueError: if the evidence cannot be had or cannot carry the score, or the
        number is not finite.
    """
    arguments = evidence.gather(inspect.signature(metric.function).parameters)
    parts = next((value for value in arguments.values() if isinstance(value, PerCode)), {"": None})
    numbers = {}
    for part in parts:
        number = metric.function(
            **{
                name: value[part] if isinstance(value, PerCode) else value
                for name, value in arguments.items()
            }
        )
        numbers |= number if isinstance(number, dict) else {part: number}
    for part, number in numbers.items():
        if not math.isfinite(number):
            raise ValueError(f"{part or metric.name} came out as {number}")
    return {
        f"{metric.name}/{part}" if part else metric.name: float(number)
        for part, number in numbers.items()
    }


def _details(names, evidence, skipped):
    """Returns the tables behind the scores: categories against classes, categories' shares of the
    real images, codes against factors. Those that count all images are there if a score had them:
    to ask for them here could fail, and would read all images once more.
    """
    details = {}
    scored = {METRICS[name].group for name in names if name not in skipped}
    categorical = [code for code in evidence.latent_spec.codes if code.has_categories]
    if scored & {"real", "labels"}:
        details["category_shares"] = {code.name: _shares(evidence, code) for code in categorical}
    if evidence.has("category_counts"):
        details["confusion"] = {
            code.name: _confusion(evidence, evidence.category_counts[code.name])
            for code in categorical
        }
    if "factors" in scored:
        details["information_on_factors"] = _information_on_factors(evidence)
    if evidence.has("class_counts"):
        details["class_confusion"] = {
            part or "images": {
                "classes": list(evidence.model.classes),
                "counts": counts[: len(evidence.model.classes)].tolist(),
            }
            for part, counts in evidence.class_counts.items()
        }
    return details


def _shares(evidence, code):
    """Returns the share of the real images that each category of a code holds, a list."""
    categories = evidence.categories[code.name]
    return (np.bincount(categories, minlength=code.num_values) / len(categories)).tolist()


def _confusion(evidence, counts):
    """Returns the counts, and the class that each category is matched to."""
    classes, matches = evidence.image_set.label_names, match_categories(counts)
    return {
        "classes": list(classes),
        "counts": counts.tolist(),
        "matches": {str(category): classes[label] for category, label in sorted(matches.items())},
    }


def _information_on_factors(evidence):
    """Returns the mutual information of each code and each factor in nats, binned as for the mutual
    information gap, and the factors' entropies.
    """
    codes, factors, *_ = split(evidence.codes, evidence.factors)
    classes = np.stack([as_classes(factor) for factor in factors.T], axis=1)
    return {
        "codes": [code.name for code in evidence.latent_spec.codes],
        "factors": list(evidence.image_set.factor_names),
        "nats": information(codes, classes).tolist(),
        "entropies": [float(entropy(np.bincount(factor))) for factor in classes.T],
    }
