"""Trains a model: python -m keras_infogan.train --dataset=mnist

Without flags it trains on the embedded handwritten digits (about 3 minutes on two CPU cores). The
same command again resumes where it stopped; Ctrl-C saves first. Everything is written to the run
directory: checkpoints, metrics.jsonl, TensorBoard events, pictures of samples and of each code's
traversal. Several machines train together where TF_CONFIG names them. Exit status: 0, trained; 2, a
mistake to mend; 75 (SIGTERM, a lost worker) or 130 (Ctrl-C), the same command continues.

    python -m keras_infogan.train --dataset=mnist --steps=5000 --seed=1
    python -m keras_infogan.train --dataset=celeb_a --devices=GPU:0,GPU:1 --precision=mixed_bfloat16
    python -m keras_infogan.train --dataset=folder --data_dir=my_images --image_size=64 \\
        --codes="kind=categorical(10), 3*uniform"
"""

import dataclasses
import pathlib

from absl import flags

from keras_infogan import config, datasets, distribution, framing, models, runs, training
from keras_infogan.config import UserError, did_you_mean

FLAGS = flags.FLAGS
DATA_FLAGS = (
    *("dataset", "preset", "data_dir", "image_size"),
    *("pad", "white", "max_image_pixels"),
)


def requested_run(model, given, directory=None):
    """Returns the Run that the flags for data and preset ask for, everything checked that can be
    before TensorFlow loads.

    Args:
      model: its name.
      given: settings that replace those of the preset, a dict.
      directory: of the run; default: the one that `runs.choose_directory` finds.
    """
    framing.apply_limit()
    dataset, presets = FLAGS.dataset, models.presets(model)
    data_dir = config.user_path(FLAGS.data_dir)
    datasets.facts(dataset, data_dir)  # an unknown data set is said before an unknown preset
    preset = FLAGS.preset or models.preset_for(model, dataset)
    if preset not in presets:
        raise UserError(
            f"unknown preset {preset!r}{did_you_mean(preset, presets)}; the presets of "
            f"{model} are {', '.join(presets)}."
        )
    settings = dataclasses.replace(presets[preset], **given)
    image_shape, frame = datasets.shape_and_framing(
        dataset, data_dir, FLAGS.image_size, bool(FLAGS.pad), FLAGS.white
    )
    if "target_image" in settings.reads:
        target_dir = config.user_path(settings.target_data_dir)
        image_shape = datasets.common_shape(image_shape, settings.target_dataset, target_dir)
        settings = dataclasses.replace(settings, target_data_dir=target_dir or "")
    listing = datasets.listing(dataset, data_dir)
    run = runs.Run(
        directory or pathlib.Path(),
        model,
        dataset,
        data_dir,
        image_shape,
        settings.for_images(image_shape),
        datasets.fingerprint(listing),
        frame,
        listing,
    )
    return run if directory else runs.choose_directory(run)


def define_data_flags():
    flags.DEFINE_string(
        "dataset",
        "digits",
        f"data to train on: {', '.join(datasets.DATASETS)}, or any image data set of "
        "tensorflow-datasets.",
    )
    flags.DEFINE_string(
        "preset",
        None,
        "settings to start from; default: the data set's own. "
        "Every setting below changes one of them.",
    )
    flags.DEFINE_string(
        "data_dir",
        None,
        "your folder or zip of images, or where tensorflow-datasets keeps its data (default: "
        "~/tensorflow_datasets).",
    )
    flags.DEFINE_integer(
        "image_size",
        None,
        "height and width in pixels to bring images to; default: the data set's own.",
    )
    flags.DEFINE_bool(
        "pad", None, "keep the whole of every image, between white bars, instead of its middle."
    )
    flags.DEFINE_float(
        "white",
        None,
        "the value that is white in gray images of more than 8 bits; default: looked for.",
        lower_bound=1e-30,
    )
    framing.define_limit()


def define_flags():
    define_data_flags()
    flags.DEFINE_enum(
        "model",
        "infogan",
        list(models.MODELS),
        "the model; the flags of its settings are those below.",
    )
    config.define_path(
        "run_dir", None, "where everything is written; default: runs/<dataset>-<model>-<n>."
    )
    flags.DEFINE_string(
        "init_from",
        None,
        "a run directory whose weights a new run of the same networks begins with, for example "
        "after images were added.",
    )
    flags.DEFINE_string(
        "devices",
        None,
        "devices of this machine that share each batch, for example GPU:0,GPU:1; default: all "
        "GPUs, or the CPU.",
    )
    config.define_flags(shared_settings())
    refuse_other_settings()


def chosen_models():
    """Returns the names of the models that the command line names, before flags are parsed: the
    other flags are settings that all of them have.
    """
    names = [name.strip() for name in str(config.flag_given("model", "infogan")).split(",")]
    # Another name is refused when it is parsed.
    return [name for name in names if name in models.MODELS] or ["infogan"]


def shared_settings():
    """Returns the settings that all chosen models have, fields of the first one's class."""
    first, *others = (
        {field.name: field for field in dataclasses.fields(models.settings_class(name))}
        for name in chosen_models()
    )
    return [field for name, field in first.items() if all(name in other for other in others)]


def refuse_other_settings():
    """Lets a flag that is no setting of the chosen models say whose it is, or what became of it."""
    kinds = {name: models.settings_class(name) for name in models.MODELS}
    fields = {
        name: {field.name for field in dataclasses.fields(kind)} for name, kind in kinds.items()
    }
    chosen = chosen_models()
    for kind in kinds.values():
        config.refuse_flags(
            {flag: f"is no longer a flag: {instead}" for flag, instead in kind.retired.items()}
        )
    config.refuse_flags(
        {
            flag: f"is a setting of --model="
            f"{_any_of([name for name in fields if flag in fields[name]])}, not of "
            f"{' and '.join(kinds[name].title for name in chosen if flag not in fields[name])}"
            for flag in set().union(*fields.values()) - {field.name for field in shared_settings()}
        }
    )


def _any_of(names):
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def main():
    devices, workers = distribution.training_devices(FLAGS.devices), distribution.cluster()
    directory = pathlib.Path(FLAGS.run_dir) if FLAGS.run_dir else None
    run = requested_run(FLAGS.model, config.given_settings(shared_settings()), directory)
    if FLAGS.init_from:
        first = runs.check_trained(config.absolute_path(FLAGS.init_from))
        run = dataclasses.replace(run, init_from=str(first.directory))
    if workers.is_chief:
        runs.check(run)
    training.train(run, devices, workers)


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
