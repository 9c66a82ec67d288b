import json
import signal

import pytest

from keras_infogan import callbacks, runs
from keras_infogan.config import UserError


def test_a_line_keeps_what_it_calls_by_a_code_apart_from_the_rest():
    values = {"generator_loss": 1.0, "mutual_information/digit": 2.28}
    values |= {"mutual_information/slant": 0.6, "disagreement/digit": 0.11}
    shown = callbacks._shortened(values)
    assert shown == {"generator": 1.0, "digit": 2.28, "slant": 0.6, "disagreement (1)": 0.11}


class _Model:
    """Stands in for a model at a given step."""

    def __init__(self, step):
        self.step = step
        self.stop_training = False
        self.loss_scale = self.skipped_updates = None


def _observer(kind, run, step, *others):
    observer = kind(run, *others)
    observer.set_model(_Model(step))
    observer.on_train_begin()
    return observer


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_with_its_name_and_step(new_run, value):
    """The step at which it was so, though values are looked at for the next line of the log."""
    observer = _observer(
        callbacks.StopOnNonFinite, new_run("a", log_every_steps=10, checkpoint_every_steps=100), 14
    )
    good = {"generator_loss": 1.0, "discriminator_loss": 1.0}
    for batch in range(5):
        observer.on_train_batch_end(
            batch, good | ({"discriminator_loss": value} if batch == 2 else {})
        )
    with pytest.raises(
        UserError, match=r"discriminator_loss, or its gradient, became .* at step 17"
    ):
        observer.on_train_batch_end(5, good)


@pytest.mark.parametrize(
    "look",
    [
        lambda observer: observer.on_train_batch_end(1, {"generator_loss": 1.0}),
        lambda observer: observer.on_train_end(),
    ],
    ids=["checkpoint", "end"],
)
def test_nothing_is_saved_that_was_not_looked_at(new_run, look):
    run = new_run("a", log_every_steps=100, checkpoint_every_steps=2)
    observer = _observer(callbacks.StopOnNonFinite, run, 2)
    observer.on_train_batch_end(0, {"generator_loss": float("nan")})
    with pytest.raises(UserError, match="at step 3"):
        look(observer)


def test_loss_scaling_that_no_longer_helps_stops(new_run):
    observer = _observer(callbacks.StopOnNonFinite, new_run("a", log_every_steps=1), 17)
    observer.model.loss_scale = 1.0
    observer.on_train_batch_end(0, {"generator_loss": 1.0})
    observer.model.loss_scale = 0.5
    with pytest.raises(
        UserError, match="a gradient is not finite however small the loss is scaled at step 17"
    ):
        observer.on_train_batch_end(0, {"generator_loss": 1.0})


def test_skipped_updates_are_counted_and_shown(new_run, capsys):
    run = new_run("a", log_every_steps=2)
    runs.create(run)
    log = _observer(callbacks.MetricsLog, run, 0)
    bar = _observer(callbacks.ProgressBar, run, 0, log)
    for batch, skipped in ((0, 1), (1, 3)):
        log.model.skipped_updates = skipped
        for observer in (log, bar):
            observer.on_train_batch_end(batch, {"generator_loss": 1.0})
    log.on_train_end()
    bar.close()
    assert json.loads(run.metrics_log.read_text())["skipped_updates"] == 3
    assert "skipped=3" in capsys.readouterr().err


def test_metrics_are_means_since_the_last_line(new_run):
    run = new_run("a", log_every_steps=2)
    runs.create(run)
    observer = _observer(callbacks.MetricsLog, run, 1)
    for batch, value in enumerate((1.0, 3.0, 5.0, 9.0)):
        observer.on_train_batch_end(batch, {"generator_loss": value})
    observer.on_train_end()
    assert [json.loads(line) for line in run.metrics_log.read_text().splitlines()] == [
        {"step": 2, "generator_loss": 1.0},
        {"step": 4, "generator_loss": 4.0},
    ]
    assert list(run.events.iterdir())


def test_lines_beyond_the_checkpoint_are_dropped(new_run):
    run = new_run("a")
    runs.create(run)
    run.metrics_log.write_text('{"step": 2}\n{"step": 4}\n{"step": 6}\n{"ste')
    observer = _observer(callbacks.MetricsLog, run, 4)
    observer.on_train_end()
    assert run.metrics_log.read_text() == '{"step": 2}\n{"step": 4}\n'


@pytest.mark.parametrize(
    ("count", "expected"), [(2, "code_1=0.50"), (10, "mutual_information (10)=5.00")]
)
def test_the_progress_bar_fits_a_line(new_run, capsys, count, expected):
    run = new_run("a", log_every_steps=1)
    runs.create(run)
    log = _observer(callbacks.MetricsLog, run, 0)
    observer = _observer(callbacks.ProgressBar, run, 0, log)
    values = {"discriminator_loss": 1.0, "generator_loss": 2.0}
    values |= {f"mutual_information/code_{index}": 0.5 for index in range(count)}
    for each in (log, observer):
        each.on_train_batch_end(0, values)
    observer.close()
    shown = capsys.readouterr().err
    assert "generator=2.00" in shown
    assert expected in shown


def test_a_signal_stops_after_the_step():
    before = signal.getsignal(signal.SIGTERM)
    observer = callbacks.StopOnSignal(None)
    observer.set_model(_Model(1))
    observer.on_train_begin()
    observer.on_train_batch_end(0)
    assert not observer.model.stop_training
    signal.raise_signal(signal.SIGTERM)
    observer.on_train_batch_end(1)
    observer.on_train_end()
    assert observer.model.stop_training
    assert observer.received == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before
