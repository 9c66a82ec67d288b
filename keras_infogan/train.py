"""Trains a model: python -m keras_infogan.train --dataset=mnist

Without flags it trains on the embedded handwritten digits (about 3 minutes on two CPU cores). The same command again resumes where it stopped; Ctrl-C saves
first. Everything is written to the run directory: checkpoints, metrics.jsonl, TensorBoard events, pictures of samples and of each code's traversal.

    python -m keras_infogan.train --dataset=mnist --steps=5000 --seed=1
    python -m keras_infogan.train --dataset=folder --data_dir=my_images --image_size=64 --codes="kind=categorical(10), 3*uniform"
"""

import dataclasses
import pathlib
import signal
import sys

from absl import flags

from keras_infogan import config, datasets, models, runs
from keras_infogan.config import UserError, did_you_mean

FLAGS = flags.FLAGS
DATA_FLAGS = ("dataset", "model", "preset", "data_dir", "image_size")


def requested_run(given, directory=None):
    """Returns the Run that the flags for data and preset ask for, everything checked that can be before TensorFlow loads.

    Args:
      given: settings that replace those of the preset, a dict.
      directory: of the run; default: the one that `runs.choose_directory` finds.
    """
    dataset, presets = FLAGS.dataset, models.MODELS[FLAGS.model].PRESETS
    preset = FLAGS.preset or datasets.facts(dataset).preset
    if preset not in presets:
        raise UserError(f"unknown preset {preset!r}{did_you_mean(preset, presets)}; the presets are {', '.join(presets)}.")
    settings = dataclasses.replace(presets[preset], **given)
    data_dir = config.user_path(FLAGS.data_dir)
    image_shape = datasets.image_shape(dataset, data_dir, FLAGS.image_size)
    run = runs.Run(None, FLAGS.model, dataset, data_dir, image_shape, settings.for_images(image_shape), datasets.fingerprint(dataset, data_dir))
    run = dataclasses.replace(run, directory=directory) if directory else runs.choose_directory(run)
    runs.check(run)
    return run


def train(run, devices=None):
    """Trains a run to its number of steps, from its newest checkpoint if it has one.

    Args:
      run: the Run; its directory is created.
      devices: devices of tf.distribute.MirroredStrategy, for example ["CPU:0", "CPU:1"]; default: all GPUs, or the CPU.

    Returns:
      The trained model, or None if a signal stopped it early.
    """
    image_set = datasets.load(run.dataset, "train", run.image_shape, run.data_dir)
    datasets.check_batch_size(image_set, run.config.batch_size)

    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(devices)
    if run.config.batch_size % strategy.num_replicas_in_sync:
        raise UserError(f"--batch_size={run.config.batch_size} cannot be shared equally by {strategy.num_replicas_in_sync} devices; give a multiple.")
    with runs.locked(run):
        return _train(run, image_set, strategy)


def _train(run, image_set, strategy):
    from keras_infogan import callbacks

    runs.create(run)
    with strategy.scope():
        model = models.build(run.model, run.config, run.image_shape)
        start = runs.restore(run, model)
    steps = run.config.steps - start
    if steps <= 0:
        print(f"{run.directory} is trained already ({start} steps); give more --steps, or another --run_dir.")
        return model
    print(f"{'Resuming' if start else 'Training'} {run.directory}: {len(image_set.images):,} images, step {start} of {run.config.steps}.")
    stop, progress = callbacks.StopOnSignal(), callbacks.ProgressBar(run)
    # The order matters: a loss that is not finite ends the step before anything of it is written.
    observers = [
        callbacks.StopOnNonFinite(run),
        callbacks.MetricsLog(run),
        callbacks.Checkpoints(run),
        callbacks.Pictures(run),
        progress,
        stop,
    ]
    batches = datasets.batches(image_set, run.config.batch_size, run.config.seed, start)
    try:
        model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=observers)
    finally:
        progress.close()  # an error must not end up on the bar's line
    if stop.received:
        name = signal.Signals(stop.received).name
        print(f"Stopped by {name} at step {model.step} of {run.config.steps}, saved; the same command continues.", file=sys.stderr)
        return None
    print(f"Done: {run.directory}. Pictures in {run.samples} and {run.traversals}; next: python -m keras_infogan.sample --run_dir={run.directory}")
    return model


def define_data_flags():
    flags.DEFINE_string("dataset", "digits", f"data to train on: {', '.join(datasets.DATASETS)}, or any image data set of tensorflow-datasets.")
    flags.DEFINE_enum("model", "infogan", list(models.MODELS), "the model.")
    flags.DEFINE_string("preset", None, "settings to start from; default: the data set's own. Every setting below changes one of them.")
    flags.DEFINE_string("data_dir", None, "your folder or zip of images, or where tensorflow-datasets keeps its data (default: ~/tensorflow_datasets).")
    flags.DEFINE_integer("image_size", None, "height and width in pixels to bring images to; default: the data set's own.")


def define_flags():
    define_data_flags()
    flags.DEFINE_string("run_dir", None, "where everything is written; default: runs/<dataset>-<model>-<n>.")
    config.define_flags(models.MODELS["infogan"].Config)
    flags.adopt_module_key_flags(config)


def main():
    directory = pathlib.Path(FLAGS.run_dir).expanduser() if FLAGS.run_dir else None
    run = requested_run(config.given_settings(models.MODELS[FLAGS.model].Config), directory)
    return 0 if train(run) else 130


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
