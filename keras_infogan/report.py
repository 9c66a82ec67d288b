"""The report of an evaluation: one HTML file with everything in it, pictures too, that opens from
disk without a network.
"""

import contextlib
import dataclasses
import importlib.resources
import io
import shlex

import jinja2
import matplotlib
import numpy as np
from PIL import Image
from sklearn.decomposition import PCA

from keras_infogan import charts, datasets, images, models, runs
from keras_infogan.config import UserError
from keras_infogan.field_figures import field_figure
from keras_infogan.metrics import GROUPS, METRICS

_ROWS = 5
_MAP_SIZE = 96  # pixels
_PAIRS = 40
_GROUP_TITLES = {
    "generator": "What the generator does with its codes",
    "real": "Codes of real images, without labels",
    "labels": "Categories against classes",
    "factors": "Codes against ground-truth factors",
    "images": "Generated against real images",
    "reconstruction": "Reconstructions",
    "likelihood": "Likelihood",
    "speech": "Words and speakers in vectors",
    "classes": "The classifier",
}


def html(run, result, evidence, pictures):
    """Returns the report as text.

    Args:
      run: the Run that was scored.
      result: the content of metrics.json.
      evidence: the Evidence it was scored on; pictures are drawn from its model.
      pictures: what `reconstructions` and `domains` return.
    """
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["zip"] = zip
    template = environment.from_string(
        importlib.resources.files("keras_infogan")
        .joinpath("report.html")
        .read_text(encoding="utf-8")
    )
    samples, codes = None, []
    # Output that is not finite: an alarm says so, and there is nothing to show.
    with contextlib.suppress(UserError):
        samples = images.data_url(
            images.grid(evidence.generate(evidence.latent_spec.rows(50, 0)), 10)
        )
        codes = _codes(result, evidence)
    settings = run.to_json()["settings"]
    return template.render(
        run=run,
        result=result,
        settings=settings,
        samples=samples,
        codes=codes,
        about=_about(run, evidence.model),
        pictures={name: images.data_url(picture) for name, picture in pictures.items()},
        information=_information_chart(run, evidence.latent_spec.codes),
        train_command=_train_command(run),
        groups=[(group, _GROUP_TITLES[group], _rows(run, result, group)) for group in GROUPS],
        skipped=[(name, entry["reason"]) for name, entry in result["skipped"].items()],
        titles={name: metric.title for name, metric in METRICS.items()},
    )


def _about(run, model):
    """Returns what a model is, its source, and whether it learned from labels, and from pixels
    drawn black or white: a dict of texts.
    """
    if run.model not in models.MODELS:
        return {"title": model.title, "paper": "", "labels": ""}
    kind, labels = models.settings_class(run.model), ""
    with contextlib.suppress(UserError):  # of exported files with settings that are no more
        reads, told = kind.from_json(run.to_json()["settings"]).reads, "without labels"
        if "label" in reads:
            told = "with labels"
        elif "same_speaker" in reads:
            told = "knowing which recordings share a speaker"
        binarization = (model.likelihood or {}).get("binarization", "none")
        drawn = "" if binarization == "none" else f", on pixels of a {binarization} binarization"
        labels = f"Trained {told}{drawn}."
    return {"title": kind.title, "paper": kind.paper, "labels": labels}


def reconstructions(evidence):
    """Returns pictures of what a model makes of real images, a dict from "reconstructions", each
    image beside its own, and "interpolations", the way from one image to another, to Pillow images;
    empty where no score asked for reconstructions.
    """
    if not evidence.has("reconstructions"):
        return {}
    try:
        ways = evidence.interpolations
    except UserError:  # of output that is not finite an alarm tells
        return {}
    return {
        "reconstructions": images.pairs(
            evidence.real_images[:_PAIRS], evidence.reconstructions[:_PAIRS]
        ),
        "interpolations": images.grid(ways.reshape(-1, *ways.shape[2:]), ways.shape[1]),
    }


def domains(evidence):
    """Returns a picture of the features of both data sets of domain-adversarial training, in the
    two directions in which they vary most (scikit-learn's PCA over both sets), a dict from
    "features" to a Pillow image; empty where no score asked for classes, there are no two sets
    with labels, or features are not finite.
    """
    if not evidence.has("class_counts"):
        return {}
    try:
        found = evidence.domains
    except UserError:
        return {}
    panels = {}
    for name, sets in found.items():
        together = np.concatenate([features for features, _ in sets.values()])
        if not np.isfinite(together).all():
            return {}
        directions = PCA(2, random_state=0).fit(together)
        panels[name] = {
            part: (directions.transform(features), labels)
            for part, (features, labels) in sets.items()
        }
    return {"features": Image.open(io.BytesIO(charts.points_of_sets(panels)))}


def _codes(result, evidence):
    """Returns, per code, its traversal, a map of where it changes the image, and what the
    scores say of it.
    """
    pictures = dict(
        images.traversal_pictures(evidence.generate, evidence.latent_spec, _ROWS, seed=0)
    )
    scores, shown = result["scores"], []
    for code in evidence.latent_spec.codes:
        changes = evidence.moved_images[code.name] - evidence.start_images
        shown.append(
            {
                "name": code.name,
                "prior": code.prior,
                "entropy": code.entropy,
                "scores": {
                    name: scores.get(f"{name}/{code.name}")
                    for name, metric in METRICS.items()
                    if metric.group == "generator"
                },
                "traversal": images.data_url(pictures[code.name]),
                "map": images.data_url(_change_map(changes)),
                "factor": _nearest_factor(
                    code.name, result["details"].get("information_on_factors")
                ),
            }
        )
    return shown


def _nearest_factor(name, table):
    """Returns "factor (nats of nats)" for the factor that a code tells most about, or None."""
    if not table or name not in table["codes"]:
        return None
    row = table["nats"][table["codes"].index(name)]
    best = int(np.argmax(row))
    return f"{table['factors'][best]} ({row[best]:.2f} of {table['entropies'][best]:.2f} nats)"


def _change_map(changes):
    """Returns a picture of the mean absolute change of each pixel, the brightest
    where it is largest.
    """
    strength = np.abs(changes).mean(axis=(0, -1))
    colored = matplotlib.colormaps["inferno"](strength / max(strength.max(), 1e-6), bytes=True)[
        ..., :3
    ]
    return Image.fromarray(colored).resize((_MAP_SIZE, _MAP_SIZE), Image.Resampling.NEAREST)


def _information_chart(run, codes):
    """Returns the chart of information over training, or None if the run's log
    says nothing of it.
    """
    lines = runs.read_log(run)
    if not any(f"mutual_information/{code.name}" in line for code in codes for line in lines[-1:]):
        return None
    information = {
        code.name: [line.get(f"mutual_information/{code.name}", float("nan")) for line in lines]
        for code in codes
    }
    return charts.information_over_training(
        [line["step"] for line in lines], information, {code.name: code.entropy for code in codes}
    )


def _train_command(run):
    """Returns the command line that trains such a run: what differs from the data set's preset."""
    known, preset, places = datasets.DATASETS.get(run.dataset), {}, ()
    if run.model in models.MODELS:  # else exported files of a model that is no more
        places = models.settings_class(run.model).places
        settings = models.presets(run.model)[models.preset_for(run.model, run.dataset)]
        # A preset made for images of another size is compared as it is.
        with contextlib.suppress(UserError):
            settings = settings.for_images(run.image_shape)
        preset = dataclasses.asdict(settings)
    arguments = [f"--model={run.model}"] * (run.model != "infogan")
    arguments += [f"--dataset={run.dataset}"] + ["--data_dir=DIR"] * bool(
        run.data_dir or (known and known.source == "folder")
    )
    if not known or run.image_shape[0] != known.image_size:
        arguments.append(f"--image_size={run.image_shape[0]}")
    arguments += ["--pad"] * run.framing.pad
    if run.framing.white is not None:
        arguments.append(f"--white={run.framing.white:g}")
    for name, value in run.to_json()["settings"].items():
        # Exported files may have settings that are no more.
        if name in places:
            arguments += [f"--{name}=DIR"] * bool(value)
        elif name in preset and value != preset[name]:
            arguments.append(
                f"--{'' if value else 'no'}{name}"
                if isinstance(value, bool)
                else f"--{name}={value}"
            )
    return shlex.join(["python", "-m", "keras_infogan.train", *arguments])


def _rows(run, result, group):
    """Returns (title, part, number, protocol, field's figure) for every score of a group."""
    rows = []
    for key, number in result["scores"].items():
        name, _, part = key.partition("/")
        if name in METRICS and METRICS[name].group == group:
            rows.append(
                (
                    METRICS[name].title,
                    part,
                    number,
                    result["protocols"][name],
                    field_figure(run.dataset, key),
                )
            )
    return rows
