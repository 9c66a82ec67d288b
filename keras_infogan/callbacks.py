"""What happens while a model trains: log, progress bar, pictures, checkpoints, a clean stop.

Each knows the step from counting and the place from the run.
"""

import json
import math
import signal

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from keras_infogan import checkpoints, distribution, files, images, runs
from keras_infogan.config import UserError
from keras_infogan.trained import TrainedLearner

# Pictures come from latents that never change, so that those of two epochs, or two runs,
# can be compared.
PICTURE_SEED = 0
PICTURE_ROWS = 10
# More than fit on a line of a terminal are shown as sums.
_MOST_VALUES = 7


class _RunCallback(keras.callbacks.Callback):
    """A callback that knows where its run lies, and by counting, so that no device is waited for,
    at which step it is.
    """

    def __init__(self, run):
        super().__init__()
        self.run = run

    def on_train_begin(self, logs=None):
        self.first = self.model.step

    def step_after(self, batch):
        """Returns the step after the batch of this number in fit, an int."""
        return self.first + batch + 1


class StopOnNonFinite(_RunCallback):
    """Ends training when a loss or its gradient was not finite, before anything is saved.

    Values are fetched from the device when somebody looks at them, for a line of the log and before
    a checkpoint: until then the next steps are already on their way.
    """

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        self._waiting = []

    def on_train_batch_end(self, batch, logs):
        step, settings = self.step_after(batch), self.run.settings
        self._waiting.append((step, logs))
        if not step % settings.log_every_steps or not step % settings.checkpoint_every_steps:
            self._fetch()

    def on_train_end(self, logs=None):
        self._fetch()

    def _fetch(self):
        for step, logs in self._waiting:
            values = {name: float(value) for name, value in logs.items()}
            for name, value in values.items():
                if not math.isfinite(value):
                    self._stop(f"{name}, or its gradient, became {value}", step)
            self._keep(values)
        self._waiting = []
        scale = self.model.loss_scale
        if scale is not None and scale < 1:
            self._stop("a gradient is not finite however small the loss is scaled", self.model.step)

    def _keep(self, values):
        """Takes the values of a step, a dict of floats."""

    def _stop(self, fault, step):
        raise UserError(
            f"{fault} at step {step}; the last good checkpoint in {self.run.checkpoints} is kept; "
            f"try {' or '.join(['a smaller learning rate', *self.run.settings.stabilizers])} in "
            "another --run_dir."
        )


class MetricsLog(StopOnNonFinite):
    """Writes the mean of every value over the last `log_every_steps` (fewer, right after a resume
    between two lines) to metrics.jsonl and TensorBoard.

    Attributes:
      latest: the means of the last line, a dict, empty before the first.
    """

    latest: dict

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        self.latest, self._kept = {}, []
        # A run that stopped after its last checkpoint goes back to it: lines from beyond
        # would stand twice.
        lines = [line for line in runs.read_log(self.run) if line["step"] <= self.first]
        files.write_atomically(
            self.run.metrics_log, "".join(json.dumps(line) + "\n" for line in lines)
        )
        self.writer = tf.summary.create_file_writer(str(self.run.events))

    def on_train_batch_end(self, batch, logs):
        super().on_train_batch_end(batch, logs)
        step = self.step_after(batch)
        if step % self.run.settings.log_every_steps == 0:
            self.latest = {
                name: math.fsum(values[name] for values in self._kept) / len(self._kept)
                for name in logs
            }
            self._kept = []
            if self.model.skipped_updates is not None:
                self.latest["skipped_updates"] = self.model.skipped_updates  # so far, not a mean
            with open(self.run.metrics_log, "a") as file:
                file.write(json.dumps({"step": step, **self.latest}) + "\n")
            with self.writer.as_default():
                for name, value in self.latest.items():
                    tf.summary.scalar(name, value, step)

    def _keep(self, values):
        self._kept.append(values)

    def on_train_end(self, logs=None):
        super().on_train_end()
        self.writer.close()


class ProgressBar(_RunCallback):
    """Shows the step, the time left, and what was logged last."""

    bar = None

    def __init__(self, run, log):
        """
        Args:
          run: the Run.
          log: its MetricsLog.
        """
        super().__init__(run)
        self.log = log

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        self.shown = {}
        self.bar = tqdm(
            total=self.run.settings.steps,
            initial=self.first,
            desc=self.run.dataset,
            unit="step",
            mininterval=1.0,
        )

    def on_train_batch_end(self, batch, logs):
        assert self.bar is not None
        if self.log.latest is not self.shown:
            self.shown = self.log.latest
            values = dict(self.shown)
            skipped = values.pop("skipped_updates", None)
            texts = {name: f"{value:.2f}" for name, value in _shortened(values).items()}
            self.bar.set_postfix(texts | ({"skipped": skipped} if skipped else {}), refresh=False)
        self.bar.update()

    def close(self):
        if self.bar:
            self.bar.close()


def _shortened(values):
    """Returns logged values, a dict, under names for a line: without what stands before the "/",
    or, where they are many or a name is taken already, those that share it as their sum.
    """
    groups = {}
    for name, value in values.items():
        group, _, part = name.rpartition("/")
        groups.setdefault(group, {})[part.removesuffix("_loss")] = value
    shown = groups.pop("", {})
    for group, parts in groups.items():
        apart = len(values) <= _MOST_VALUES and not parts.keys() & shown.keys()
        shown |= parts if apart else {f"{group} ({len(parts)})": sum(parts.values())}
    return shown


class Pictures(_RunCallback):
    """Draws samples, and a traversal per code, every `picture_every_steps` and at the end,
    from fixed latents.
    """

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        self.trained = TrainedLearner(self.model)

    def on_train_batch_end(self, batch, logs=None):
        if self.step_after(batch) % self.run.settings.picture_every_steps == 0:
            self.draw()

    def on_train_end(self, logs=None):
        if self.model.step % self.run.settings.picture_every_steps:
            self.draw()

    def draw(self):
        if "generate" not in self.trained.capabilities:
            return
        step, spec = self.model.step, self.model.latent_spec
        # Weights that are not finite are told of by the checkpoint.
        with self.model.averaged(), np.errstate(invalid="ignore"):
            pictures = {
                self.run.samples: images.grid(
                    self.trained.generate(spec.rows(100, PICTURE_SEED)), 10
                )
            }
            for name, picture in images.traversal_pictures(
                self.trained.generate, spec, PICTURE_ROWS, PICTURE_SEED
            ):
                pictures[self.run.traversals / name] = picture
        with tf.summary.create_file_writer(str(self.run.events)).as_default():
            for folder, picture in pictures.items():
                folder.mkdir(exist_ok=True)
                files.write_atomically(folder / f"step_{step:08d}.png", images.png(picture))
                tf.summary.image(
                    str(folder.relative_to(self.run.directory)), np.asarray(picture)[None], step
                )


class Checkpoints(_RunCallback):
    """Saves the model every `checkpoint_every_steps` and at the end."""

    def on_train_batch_end(self, batch, logs=None):
        if self.step_after(batch) % self.run.settings.checkpoint_every_steps == 0:
            checkpoints.save(self.run, self.model)

    def on_train_end(self, logs=None):
        if self.model.step % self.run.settings.checkpoint_every_steps:
            checkpoints.save(self.run, self.model)


class StopOnSignal(keras.callbacks.Callback):
    """Turns Ctrl-C or SIGTERM into a stop after the current step, so that the end of training saves
    as usual. A second Ctrl-C ends at once.

    A signal to one worker stops all of them, after the same step.
    """

    received = None

    def __init__(self, strategy):
        super().__init__()
        self.strategy = strategy

    def on_train_begin(self, logs=None):
        self.previous = {
            number: signal.signal(number, self.stop) for number in (signal.SIGINT, signal.SIGTERM)
        }

    def stop(self, number, frame):
        self.received = number
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def on_train_batch_end(self, batch, logs=None):
        if distribution.on_any_worker(self.strategy, bool(self.received)):
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        for number, handler in self.previous.items():
            signal.signal(number, handler)
