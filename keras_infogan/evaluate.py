"""Scores a trained run: python -m keras_infogan.evaluate --run_dir=runs/mnist-infogan-1

Writes to the run directory:
    metrics.json   every score with its protocol, what could not be scored and why, and alarms
    report.html    the same to look at, in one file that needs no network: pictures of every
                   code, charts, tables
    reconstructions.png, interpolations.png
                   of a model that encodes and generates, where a score asks for reconstructions
    features.png   of domain-adversarial training, where a score asks for classes

Scores come in groups: "generator" needs the model alone; "real" moves real images and reads them
again; "labels" and "factors" compare codes read from real images with what is known of them (the
test split, where there is one); "images" compares generated with real images; "reconstruction" and
"likelihood" are of models that can, such as a VAE; "classes" of those that learned from labels.
Labels and factors serve the scores only; nothing is trained on them but the feature space and the
scores' own probes.

    python -m keras_infogan.evaluate --run_dir=runs/mnist-infogan-1 \\
        --metrics=labels,mutual_information
    python -m keras_infogan.evaluate --onnx=runs/mnist-infogan-1/export/generator.onnx

An exported generator is scored without TensorFlow, on what needs no more than it, recognizer.onnx
beside it and data that TensorFlow does not read.

MNIST takes about 3 minutes on two CPU cores, more than half of it for the feature space, which
is trained once.
"""

import dataclasses
import functools
import hashlib
import json
import os
import shlex
import sys

from absl import flags

from keras_infogan import (
    __version__,
    config,
    datasets,
    features,
    files,
    framing,
    images,
    metrics,
    model_source,
    models,
    runs,
)
from keras_infogan.config import UserError

FLAGS = flags.FLAGS


def evaluate(
    run,
    model,
    names,
    split=None,
    data_dir=None,
    feature_space="learned",
    num_images=10_000,
    seed=0,
    command="",
    with_tensorflow=True,
):
    """Scores a model and writes metrics.json and report.html to its run directory.

    Args:
      run: the Run that the model is of.
      model: its trained.Trained.
      names: of the scores, keys of METRICS.
      split: split of real images; default: test, or train where there is no test split.
      data_dir: where the data set lies; default: as in training.
      feature_space: one of features.FEATURE_SPACES.
      num_images: images to generate, and real ones at most to compare them with.
      seed: of all random draws.
      command: the command line, to be shown in the report.
      with_tensorflow: whether TensorFlow may be used to read data and to make a feature space.

    Returns:
      The content of metrics.json.
    """
    from keras_infogan import alarms, evidence, report, scoring, trained

    data_dir = data_dir or run.data_dir

    def check_readable(name):
        if not with_tensorflow and not datasets.reads_without_tensorflow(name):
            raise UserError(
                f"reading {name} takes TensorFlow; score the run itself, with --run_dir"
            )

    def read(split):
        check_readable(run.dataset)
        return datasets.load(run.dataset, split, run.image_shape, data_dir, run.framing)

    @functools.cache  # the training images are looked for by its split, too
    def load_images():
        if run.fingerprint:
            runs.warn_of_other_images(run, datasets.listing(run.dataset, data_dir))
        return read(split or datasets.evaluation_split(run.dataset, data_dir))

    def load_training():
        if load_images().split == "train":
            raise UserError(
                "it compares a test split with the training images, and none is apart from them"
            )
        return read("train")

    def load_untrained():
        return trained.TrainedLearner(
            models.build(run.model, run.settings, run.image_shape, precision="float32")
        )

    def load_features():
        if not with_tensorflow:
            raise UserError(
                "a feature space takes TensorFlow; score the run itself, with --run_dir"
            )
        return features.build(feature_space, run.dataset, run.image_shape, data_dir, run.framing)

    settings = run.to_json()["settings"]

    def load_target():
        name, place = settings["target_dataset"], settings["target_data_dir"] or None
        check_readable(name)
        return datasets.load_target(
            name,
            split or datasets.evaluation_split(name, place),
            run.image_shape,
            place,
        )

    found = evidence.Evidence(
        model,
        load_images,
        load_features,
        num_images,
        seed,
        load_target=load_target if settings.get("target_dataset") else None,
        load_training=load_training,
        load_untrained=load_untrained if with_tensorflow else None,
    )
    result = scoring.score_all(names, found)
    # What earlier versions did not write of a run is no part of what tells it.
    known = {
        key: value
        for key, value in run.to_json().items()
        if key not in ("version", "framing", "init_from")
    }
    digest, earlier = _digest({**known, "version": None}, data_dir), runs.read_metrics(run)
    if earlier and earlier["evaluated"].get("run") == _digest(runs.written(run), data_dir):
        earlier["evaluated"]["run"] = digest  # version 0.1.0 told a run by its whole config.json
    evaluated = {
        "run": digest,
        "step": model.step,
        "split": split,
        "num_images": num_images,
        "seed": seed,
        "features": feature_space,
    }
    result = scoring.merged(
        {"keras_infogan": __version__, "command": command, "evaluated": evaluated, **result},
        earlier,
    )
    said = alarms.alarms(
        result["scores"],
        model.latent_spec.codes,
        result["details"].get("category_shares", {}),
        result["skipped"].values(),
    )
    said += alarms.unfinished(model.step, settings["steps"])
    result["alarms"] = [dataclasses.asdict(alarm) for alarm in said]
    files.write_atomically(run.metrics, json.dumps(result, indent=1, allow_nan=False) + "\n")
    pictures = report.reconstructions(found) | report.domains(found)
    for name, picture in pictures.items():
        files.write_atomically(run.directory / f"{name}.png", images.png(picture, optimize=True))
    files.write_atomically(run.report, report.html(run, result, found, pictures))
    return result


def _digest(content, data_dir):
    """Returns a short text that tells a run, the content of its config.json, and the place of its
    data from others.
    """
    return hashlib.sha256(json.dumps([content, data_dir]).encode()).hexdigest()[:16]


def define_flags():
    model_source.define_flags("generator.onnx, beside which scores and report go")
    flags.DEFINE_string(
        "metrics",
        "all",
        f"scores, separated by commas: all, a group ({', '.join(metrics.GROUPS)}), or any of "
        f"{', '.join(metrics.METRICS)}.",
    )
    flags.DEFINE_string(
        "split",
        None,
        "split of real images to score on; default: test, or train where there is no test split.",
    )
    flags.DEFINE_string(
        "data_dir", None, "where the data set lies now, if not where it was trained from."
    )
    flags.DEFINE_enum(
        "features",
        "learned",
        features.FEATURE_SPACES,
        "where generated and real images are compared: a small network trained on the data set, "
        "or Inception-v3.",
    )
    flags.DEFINE_integer(
        "num",
        10_000,
        "images to generate, and real ones at most to compare them with.",
        lower_bound=100,
    )
    config.rename_flag("num_images", "num")
    flags.DEFINE_integer("seed", 0, "seed of all random draws.", lower_bound=0)
    framing.define_limit()


def main():
    framing.apply_limit()
    names = metrics.chosen(FLAGS.metrics)
    run, load = model_source.chosen()
    if not os.access(run.directory, os.W_OK):
        raise UserError(
            f"cannot write to {run.directory}; scores and report belong there, make it writable."
        )
    command, data_dir = (
        shlex.join(["python", "-m", "keras_infogan.evaluate", *sys.argv[1:]]),
        config.user_path(FLAGS.data_dir),
    )
    result = evaluate(
        run,
        load(),
        names,
        FLAGS.split,
        data_dir,
        FLAGS.features,
        FLAGS.num,
        FLAGS.seed,
        command,
        with_tensorflow=not FLAGS.onnx,
    )
    skipped = [result["skipped"][name] for name in names if name in result["skipped"]]
    if len(skipped) == len(names) and all(entry["kind"] == "incapable" for entry in skipped):
        raise UserError(f"{skipped[0]['reason']}; ask for other --metrics.")
    for alarm in result["alarms"]:
        print(f"alarm: {alarm['sentence']}")
    print(run.metrics, run.report, sep="\n")
    return 1 if len(skipped) == len(names) else 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
