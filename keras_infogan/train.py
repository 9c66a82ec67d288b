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
    *("dataset", "model", "preset", "data_dir", "image_size"),
    *("pad", "white", "max_image_pixels"),
)


def requested_run(given, directory=None):
    """Returns the Run that the flags for data and preset ask for, everything checked that can be
    before TensorFlow loads.

    Args:
      given: settings that replace those of the preset, a dict.
      directory: of the run; default: the one that `runs.choose_directory` finds.
    """
    framing.apply_limit()
    dataset, presets = FLAGS.dataset, models.presets(FLAGS.model)
    data_dir = config.user_path(FLAGS.data_dir)
    datasets.facts(dataset, data_dir)  # an unknown data set is said before an unknown preset
    preset = FLAGS.preset or models.preset_for(FLAGS.model, dataset)
    if preset not in presets:
        raise UserError(
            f"unknown preset {preset!r}{did_you_mean(preset, presets)}; the presets of "
            f"{FLAGS.model} are {', '.join(presets)}."
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
        FLAGS.model,
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
    flags.DEFINE_enum(
        "model",
        "infogan",
        list(models.MODELS),
        "the model; the flags of its settings are those below.",
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
    config.define_flags(chosen_settings())
    refuse_other_settings()


def chosen_settings():
    """Returns the class of settings of the model that the command line names, before flags are
    parsed: the other flags are its settings.
    """
    name = config.flag_given("model", "infogan")
    # Another name is refused when it is parsed.
    return models.settings_class(name if name in models.MODELS else "infogan")


def refuse_other_settings():
    """Lets a flag that is no setting of the chosen model say whose it is, or what became of it."""
    chosen, owners = chosen_settings(), {}
    known = {field.name for field in dataclasses.fields(chosen)}
    for name in models.MODELS:
        config.refuse_flags(
            {
                flag: f"is no longer a flag: {instead}"
                for flag, instead in models.settings_class(name).retired.items()
            }
        )
    for name in models.MODELS:
        for field in dataclasses.fields(models.settings_class(name)):
            if field.name not in known:
                owners.setdefault(field.name, []).append(name)
    config.refuse_flags(
        {
            name: f"is a setting of --model={' or '.join(models_)}, not of {chosen.title}"
            for name, models_ in owners.items()
        }
    )


def main():
    devices, workers = distribution.training_devices(FLAGS.devices), distribution.cluster()
    directory = pathlib.Path(FLAGS.run_dir) if FLAGS.run_dir else None
    run = requested_run(config.given_settings(models.settings_class(FLAGS.model)), directory)
    if FLAGS.init_from:
        first = runs.check_trained(config.absolute_path(FLAGS.init_from))
        run = dataclasses.replace(run, init_from=str(first.directory))
    if workers.is_chief:
        runs.check(run)
    training.train(run, devices, workers)


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
