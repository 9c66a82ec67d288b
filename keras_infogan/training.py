"""Training: a run from its newest checkpoint, or from nothing, to its last step, on one device,
several, or several workers.
"""

import contextlib
import errno
import json
import os
import signal

from keras_infogan import (
    capabilities,
    checkpoints,
    config,
    datasets,
    distribution,
    files,
    loaded,
    models,
    runs,
)
from keras_infogan.config import UnfinishedError, UserError


def train(run, devices=None, workers=distribution.ALONE):
    """Trains a run to its number of steps, from its newest checkpoint if it has one.

    Args:
      run: the Run; its directory is created.
      devices: of this machine, as `distribution.training_devices` gives them; default: all
        GPUs, or the CPU.
      workers: the distribution.Cluster that trains together; the chief alone reads and writes
        the run directory.

    Returns:
      The trained model.

    Raises:
      UserError: for what the user can mend; checkpoints written before stay.
      UnfinishedError: if a signal stopped it, after saving, or another worker is gone.
    """
    together = workers.num_workers > 1
    sources = [run.dataset]
    if "target_image" in run.settings.reads:
        sources.append(run.settings.target_dataset)
    # What can be refused is, before TensorFlow is loaded and others are waited for.
    found = _read(run) if all(map(datasets.reads_without_tensorflow, sources)) else None
    with contextlib.ExitStack() as stack:
        if together and workers.is_chief:
            stack.enter_context(runs.locked(run))
        # Before tensorflow-datasets reads: it does so eagerly, and from then on TensorFlow lets
        # nobody choose devices or join a cluster.
        strategy = distribution.strategy(devices, workers)
        if together:
            stack.enter_context(distribution.workers_present())
        if run.settings.batch_size % strategy.num_replicas_in_sync:
            raise UserError(
                f"--batch_size={run.settings.batch_size} cannot be shared equally by "
                f"{strategy.num_replicas_in_sync} devices; give a multiple."
            )
        image_set, more = found or _read(run)
        if not together:
            # The directory is created when nothing is left to refuse.
            stack.enter_context(runs.locked(run))
        return _train(run, image_set, more, strategy, workers)


def _read(run):
    """Returns the ImageSet that a run is trained on, and what `_more_to_read` returns."""
    image_set = datasets.load(run.dataset, "train", run.image_shape, run.data_dir, run.framing)
    datasets.check_batch_size(image_set, run.settings.batch_size)
    if run.settings.binarization == "fixed":
        image_set = datasets.fixed_binarization(image_set)
    return image_set, _more_to_read(run, image_set)


def _more_to_read(run, image_set):
    """Returns what the model reads beside the images of its data set: arguments of
    `datasets.batches`, a dict. Raises UserError where there is no such thing.
    """
    settings, names = run.settings, tuple(image_set.label_names)
    found = {"reads": settings.reads}
    if "label" in settings.reads:
        datasets.check_labels(image_set)
        if len(names) != settings.num_classes:
            raise UserError(
                f"{run.dataset} has {len(names)} classes, and this {settings.title} is made for "
                f"{settings.num_classes}; make it for {len(names)}, with --num_classes or a "
                "category of so many values in --codes."
            )
    if "same_speaker" in settings.reads:
        datasets.check_speakers(image_set)
    if "labeled_image" in settings.reads:
        found["labeled"] = datasets.labeled_places(image_set, settings.num_labels, settings.seed)
    if "target_image" in settings.reads:
        target = datasets.load_target(
            settings.target_dataset, "train", run.image_shape, settings.target_data_dir or None
        )
        datasets.check_batch_size(target, settings.batch_size)
        others = tuple(target.label_names)
        if others and others != names:
            raise UserError(
                f"{run.dataset} has the classes {', '.join(names)}, and {settings.target_dataset} "
                f"has {', '.join(others)}; give data sets of the same classes."
            )
        found["target"] = target
    return found


def _train(run, image_set, more, strategy, workers):
    import tensorflow as tf

    from keras_infogan import callbacks

    settings = run.settings
    if workers.num_workers > 1:
        distribution.check_same_run(strategy, run)
    if workers.is_chief:
        runs.create(run)
        if "label" in settings.reads:
            _write_labels(run, image_set, more.get("labeled"))
    with strategy.scope():
        model = models.build(run.model, settings, run.image_shape)
    if workers.is_chief and not checkpoints.restore(run, model) and run.init_from:
        _begin_with(run.init_from, model)
    if workers.num_workers > 1:
        distribution.share_state(strategy, model.state)
    start = model.step
    if start >= settings.steps:
        print(
            f"{run.directory} is trained already ({start} steps); give more --steps, "
            "or another --run_dir."
        )
        return model
    where = (
        f"on {strategy.num_replicas_in_sync} devices, " if strategy.num_replicas_in_sync > 1 else ""
    )
    print(
        f"{'Resuming' if start else 'Training'} {run.directory}: {len(image_set.images):,} "
        f"images, {where}step {start} of {settings.steps}.",
        flush=True,
    )
    log = callbacks.MetricsLog(run)
    stop, progress = callbacks.StopOnSignal(strategy), callbacks.ProgressBar(run, log)
    # The order matters: a loss that is not finite ends training before anything of it is saved, on
    # all workers at the same step.
    observers = [callbacks.StopOnNonFinite(run)]
    if workers.is_chief:
        observers = [
            log,
            # Before the checkpoint: a run that is killed meanwhile draws them again.
            callbacks.Pictures(run),
            callbacks.Checkpoints(run),
            progress,
        ]
    batches = datasets.batches(
        image_set,
        settings.batch_size,
        settings.seed,
        start,
        workers.num_workers,
        workers.index,
        **more,
    )
    try:
        model.fit(
            batches,
            steps_per_epoch=settings.steps - start,
            shuffle=False,
            verbose=0,
            callbacks=[*observers, stop],
        )
    except (tf.errors.PermissionDeniedError, tf.errors.NotFoundError) as error:
        # Of the events for TensorBoard, the only files that TensorFlow writes here.
        missing = isinstance(error, tf.errors.NotFoundError)
        number = errno.ENOENT if missing else errno.EACCES
        raise OSError(number, os.strerror(number), run.events) from None
    except tf.errors.ResourceExhaustedError as error:
        if "No space left" in str(error):  # of the events for TensorBoard
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), run.events) from None
        raise UserError(
            f"--batch_size={settings.batch_size} does not fit in the memory of "
            f"{strategy.num_replicas_in_sync} device(s); give a smaller one, or more devices. "
            f"What is saved in {run.checkpoints} is kept."
        ) from None
    finally:
        progress.close()  # an error must not end up on the bar's line
    if model.step < settings.steps:
        name, status = (
            signal.Signals(stop.received or signal.SIGTERM).name,
            130 if stop.received == signal.SIGINT else 75,
        )
        raise UnfinishedError(
            f"Stopped by {name} at step {model.step} of {settings.steps}, saved; "
            "the same command continues.",
            status,
        )
    if workers.is_chief:
        pictures, command = "", "evaluate"
        if "generate" in capabilities.of(model):
            folders = [run.samples, *[run.traversals] * bool(model.latent_spec.codes)]
            pictures, command = f". Pictures in {' and '.join(map(str, folders))}", "sample"
        print(
            f"Done: {run.directory}{pictures}; next: "
            f"{config.command_line(command, run_dir=run.directory)}"
        )
    return model


def _write_labels(run, image_set, labeled):
    """Writes which classes there are, and which images' labels are read, to the run directory."""
    content = {
        "classes": list(image_set.label_names),
        "labeled": None if labeled is None else labeled.tolist(),
    }
    files.write_atomically(run.labels, json.dumps(content))


def _begin_with(directory, model):
    """Gives a built model the weights of another run of the same networks, the moving averages
    where that keeps them; optimizers and step begin anew.
    """

    def weights(learner):
        return [variable for variable in learner.variables if variable is not learner.steps_taken]

    other = loaded.load_run(directory)[1].learner
    mine, theirs = weights(model), weights(other)
    if type(model) is not type(other) or (
        [(variable.name, variable.shape) for variable in mine]
        != [(variable.name, variable.shape) for variable in theirs]
    ):
        raise UserError(
            f"--init_from={directory} holds other networks; give a run of the same model, "
            "codes, layers and image size."
        )
    for variable, value in zip(mine, theirs, strict=True):
        variable.assign(value)
