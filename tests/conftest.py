"""Shared by all tests: two virtual CPU devices, a small model, a small run, and commands as a
user starts them.
"""

import concurrent.futures
import contextlib
import dataclasses
import fcntl
import functools
import importlib
import io
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest.mock
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="keras_infogan_cache_")
# An optimizer of tf2onnx that fails is an error here. It warns otherwise, for which it copies the
# whole graph before each of them: half of the time that optimizing takes.
os.environ["TF2ONNX_CATCH_ERRORS"] = "0"

import h5py
import numpy as np
import pytest
from absl import flags

from keras_infogan import checkpoints, config, loaded, models, runs, trained, training
from keras_infogan.datasets import ImageSet
from keras_infogan.settings.autoencoder import AutoencoderSettings
from keras_infogan.settings.bigan import BiGANSettings
from keras_infogan.settings.dcgan import DCGANSettings
from keras_infogan.settings.domain_adversarial import DomainAdversarialSettings
from keras_infogan.settings.egan import EGANSettings
from keras_infogan.settings.infogan import InfoGANSettings
from keras_infogan.settings.pixelcnn import PixelCNNSettings
from keras_infogan.settings.pixelrnn import PixelRNNSettings
from keras_infogan.settings.sequence_autoencoder import SequenceAutoencoderSettings
from keras_infogan.settings.triple_gan import TripleGANSettings
from keras_infogan.settings.vae import VAESettings
from keras_infogan.settings.vae_gan import VAEGANSettings

# What a shell starts in the background ignores Ctrl-C, and so would the commands under test.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Seconds, after which what does not come is taken to hang: no measure of how fast anything is.
PATIENCE = 900
SHAPE = (8, 8, 1)
_SHORT: dict[str, Any] = {
    "batch_size": 16,
    "steps": 4,
    "log_every_steps": 1,
    "picture_every_steps": 100,
    "checkpoint_every_steps": 2,
}
# Settings of each model that trains in a second, for SHAPE.
TINY = {
    "infogan": InfoGANSettings(
        codes="kind=categorical(3), slant=uniform, tilt=gaussian, smile=bernoulli(0.3)",
        noise_size=4,
        trunk_layers="conv 4/2, conv 8/2 bn",
        recognizer_layers="dense 8 bn",
        generator_layers="dense 2x2x8 bn, conv 8/2 bn, conv 1/2",
        **_SHORT,
    ),
    "dcgan": DCGANSettings(
        noise_size=4,
        discriminator_layers="conv 4/2, conv 8/2 bn",
        generator_layers="dense 2x2x8 bn, conv 8/2 bn, conv 1/2",
        **_SHORT,
    ),
    "vae": VAESettings(
        codes="slant=gaussian, tilt=gaussian",
        encoder_layers="conv 4/2, dense 16",
        decoder_layers="dense 16, dense 4x4x8, conv 1/2",
        **_SHORT,
    ),
    "triple_gan": TripleGANSettings(
        codes="kind=categorical(3)",
        noise_size=4,
        num_labels=6,
        classifier_filters="4, 4, 8",
        generator_layers="dense 2x2x8 bn, conv 8/2 bn, conv 1/2",
        discriminator_layers="dense 16, dense 8",
        pseudo_start=0.0,
        **_SHORT,
    ),
    "domain_adversarial": DomainAdversarialSettings(
        target_dataset="digits",
        num_classes=3,
        filters="4, 8",
        label_layers="dense 8",
        domain_layers="dense 8",
        batch_norm=True,
        dropout=0.3,
        **_SHORT,
    ),
    "egan": EGANSettings(
        codes="kind=categorical(3), slant=uniform",
        noise_size=4,
        discriminator_layers="conv 4/2 bn",
        recognizer_layers="dense 8 bn",
        generator_layers="dense 4x4x8 bn, conv 1/2",
        **_SHORT,
    ),
    "autoencoder": AutoencoderSettings(
        codes="slant=gaussian, tilt=gaussian",
        encoder_layers="conv 4/2, dense 16",
        decoder_layers="dense 16, dense 4x4x8, conv 1/2",
        **_SHORT,
    ),
    "vae_gan": VAEGANSettings(
        codes="slant=gaussian, tilt=gaussian",
        encoder_layers="conv 4/2, dense 16",
        decoder_layers="dense 2x2x8 bn, conv 8/2 bn, conv 1/2",
        discriminator_layers="conv 4/2, conv 8/2 bn, dense 8 bn",
        similarity_layer=2,
        **_SHORT,
    ),
    "bigan": BiGANSettings(
        codes="slant=uniform, tilt=gaussian",
        encoder_layers="conv 4/2, dense 16 bn",
        generator_layers="dense 2x2x8 bn, conv 8/2 bn, conv 1/2",
        discriminator_layers="conv 4/2",
        joint_layers="dense 8 bn",
        **_SHORT,
    ),
    "pixelcnn": PixelCNNSettings(levels=4, filters=4, blocks=2, noise_size=64, **_SHORT),
    "pixelrnn": PixelRNNSettings(levels=4, filters=4, blocks=1, noise_size=64, **_SHORT),
    "sequence_autoencoder": SequenceAutoencoderSettings(
        phonetic_size=6,
        speaker_size=3,
        encoder_units=4,
        decoder_units=6,
        decoder_inputs=2,
        adversary_units=5,
        adversary_updates=1,
        instance_norm=True,
        **_SHORT,
    ),
}
# What the train command is given beside a model's name, where its presets leave something open.
ARGUMENTS = {
    "domain_adversarial": ("--target_dataset=digits",),
    "sequence_autoencoder": ("--dataset=spoken_words_small",),
    # Of the digits' preset, which reads 16x16 images, not its size: drawing is traced, compiled
    # and run pixel by pixel.
    "pixelcnn": ("--filters=4", "--blocks=1"),
}
SMALL = TINY["infogan"]
# What models that draw pixel by pixel draw where drawing is traced, exported and compared.
_FEW_PIXELS = {"shape": (4, 5, 1), "noise_size": 20}
_PIXELS = {"pixelcnn": _FEW_PIXELS, "pixelrnn": _FEW_PIXELS}


# Files that take longest, which begin first: at the end no worker is to wait long for another.
SLOWEST = (
    "test_models",
    "test_export",
    "test_explorer",
    "test_faults",
    "test_pixelcnn",
    "test_distribution",
    "test_evaluate",
    "test_examples",
    "test_sequence_autoencoder",
    "test_sweep",
)


def pytest_collection_modifyitems(items):
    items.sort(
        key=lambda item: (
            SLOWEST.index(item.path.stem) if item.path.stem in SLOWEST else len(SLOWEST)
        )
    )


@pytest.fixture(scope="session", autouse=True)
def two_devices():
    """Two virtual CPU devices.

    TensorFlow is loaded where tests run, not in the process that only hands them out.
    """
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )


@pytest.fixture
def small():
    """Settings of an InfoGAN that trains in a second."""
    return SMALL


def a_batch():
    """Returns a batch of 16 images in [-1, 1], with all that any model reads."""
    import tensorflow as tf

    generator = np.random.default_rng(0)
    names = ("image", "labeled_image", "target_image", "same_speaker", "other_speaker")
    return {
        name: tf.constant(generator.uniform(-1, 1, (16, *SHAPE)), tf.float32) for name in names
    } | {"label": tf.constant(np.arange(16) % 3, tf.int32)}


@pytest.fixture
def batch():
    """What `a_batch` returns."""
    return a_batch()


@pytest.fixture(scope="session")
def strategies():
    """tf.distribute strategies by their number of replicas.

    One of each for all tests: two of them in a process would mistake each other's collectives.
    """
    import tensorflow as tf

    return {
        count: tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(count)])
        for count in (1, 2)
    }


@pytest.fixture
def image_set(monkeypatch):
    """A small data set that every loader returns."""
    images = np.random.default_rng(1).integers(0, 256, (50, *SHAPE), dtype=np.uint8)
    image_set = ImageSet(images, labels=np.arange(50) % 3, label_names=("a", "b", "c"))
    monkeypatch.setattr(training.datasets, "load", lambda *arguments: image_set)
    return image_set


@pytest.fixture
def untraced(monkeypatch):
    """Keras's fit takes steps without tracing them, which takes as long as ten of them: for what is
    not about compiled steps.
    """
    import keras

    always = property(lambda self: True, lambda self, value: None)
    monkeypatch.setattr(keras.Model, "run_eagerly", always)


@pytest.fixture
def new_run(tmp_path):
    """A function (name, **settings) -> Run in a directory of its own, not trained yet."""

    def make(name, **settings):
        return runs.Run(
            tmp_path / name,
            "infogan",
            "digits",
            None,
            SHAPE,
            dataclasses.replace(SMALL, **settings),
        )

    return make


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """A function (name, function of a directory that makes it) -> the directory, made once for all
    of pytest-xdist's workers.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # of the folders of all workers

    def get(name, make):
        directory = root / "made_once" / name
        done = directory.with_name(f"{name}.done")
        directory.parent.mkdir(exist_ok=True)
        with open(directory.with_name(f"{name}.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                make(directory)
                done.touch()
        return directory

    return get


@pytest.fixture(scope="session")
def digits_run(made_once):
    """A run directory that the train command wrote in 6 steps on digits, with a quarter of the
    preset's channels. Read only.
    """
    # In this process there are two virtual devices, all of which would be taken.
    arguments = (
        "--devices=CPU:0",
        "--steps=6",
        "--batch_size=32",
        "--log_every_steps=2",
        "--codes=digit=categorical(10), slant=uniform",
        "--trunk_layers=conv 8/2, conv 16/2 bn, dense 256 bn",
        "--generator_layers=dense 256 bn, dense 4x4x32 bn, conv 8/2 bn, conv 1/2",
    )
    return made_once(
        "digits", lambda directory: succeed_here("train", f"--run_dir={directory}", *arguments)
    )


@pytest.fixture(scope="session")
def exported(digits_run, made_once):
    """The directory that the export command wrote of `digits_run`, its continuous code renamed from
    slant to tilt. Read only.
    """
    return made_once(
        "exported",
        lambda directory: succeed(
            "export", f"--run_dir={digits_run}", f"--export_dir={directory}", "--rename=slant=tilt"
        ),
    )


@pytest.fixture(scope="session")
def run_of(made_once):
    """A function (name of a model) -> a run directory that the train command wrote in 4 steps on
    digits, made once. Read only.
    """
    # In this process there are two virtual devices, all of which would be taken.
    arguments = ("--devices=CPU:0", "--steps=4", "--batch_size=32", "--log_every_steps=2")

    def make(name):
        return made_once(
            f"run_of_{name}",
            lambda directory: succeed_here(
                "train",
                f"--model={name}",
                f"--run_dir={directory}",
                *arguments,
                *ARGUMENTS.get(name, ()),
            ),
        )

    return make


def untrained(name, directory, shape=SHAPE, **settings):
    """Returns a run of a model of TINY, with settings that differ from it, in a directory, with a
    checkpoint of step 0, and the model.
    """
    settings = dataclasses.replace(TINY[name], **settings)
    run = runs.Run(directory / name, name, "digits", None, shape, settings)
    runs.create(run)
    model = trained.TrainedLearner(models.build(name, run.settings, shape))
    checkpoints.save(run, model.learner)
    return run, model


@pytest.fixture(scope="session")
def few_latents():
    """What is exported in this process is compared over two batches of latents; the command that
    makes `exported` compares over all that there are to be.
    """
    from keras_infogan.export import parity

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "NUM_LATENTS", 300)
        yield


@pytest.fixture(scope="session")
def exported_untrained(few_latents, made_once):
    """A function (name of a model) -> (its run, the model, the directory of its export in both
    formats): of one that was not trained, made once.
    """
    from keras_infogan.export import exporting

    def export(name, directory):
        run, _ = untrained(name, directory, **_PIXELS.get(name, {}))
        exporting.export(
            run,
            exporting.contract_of(run, {}),
            run.directory / "export",
            ["saved_model", "onnx"],
            fp16=False,
        )

    @functools.cache
    def make(name):
        run, model = loaded.load_run(
            made_once(f"untrained_{name}", functools.partial(export, name)) / name
        )
        return run, model, run.directory / "export"

    return make


def without_onnx(source, directory):
    """Copies an export, but as one with --formats=saved_model."""
    shutil.copytree(source, directory, ignore=shutil.ignore_patterns("*.onnx"))
    content = json.loads((directory / "generator.json").read_text())
    content["files"] = {
        name: facts for name, facts in content["files"].items() if not name.endswith(".onnx")
    }
    (directory / "generator.json").write_text(json.dumps(content))
    return directory


def command(name, *arguments, **kwargs):
    """Runs `python -m keras_infogan.<name>` and returns the finished process,
    its output as text.
    """
    return subprocess.run(
        [sys.executable, "-m", f"keras_infogan.{name}", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        **kwargs,
    )


class HereAtOnce:
    """Does at once, in this process, what a ray_cluster.Cluster does on nodes."""

    cpus = 1

    def submit(self, name, function, *arguments):
        future = concurrent.futures.Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def cancel(self, killing):
        pass

    def reason(self, error):
        return str(error)


WITHOUT_TENSORFLOW = ("tensorflow", "keras")


def command_without(modules, name, *arguments, **kwargs):
    """Does what `command` does, in a process in which these modules cannot be imported."""
    code = (
        f"import sys, runpy; sys.modules.update(dict.fromkeys({list(modules)})); "
        f"runpy.run_module('keras_infogan.{name}', run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        **kwargs,
    )


def succeed(name, *arguments):
    """Runs a command as `command` does, checks that it ended well, and returns what it printed."""
    result = command(name, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


@contextlib.contextmanager
def flags_of(name, *arguments):
    """Defines the flags of a command in this process, its command line being these arguments, while
    the `with` statement lasts; gives its module.
    """
    module = importlib.import_module(
        "keras_infogan.export.__main__" if name == "export" else f"keras_infogan.{name}"
    )
    others = set(flags.FLAGS)
    with pytest.MonkeyPatch.context() as patch, unittest.mock.patch.dict(os.environ):
        patch.setattr(sys, "argv", [f"keras_infogan.{name}", *arguments])
        for names in ("_renamed", "_refused"):
            patch.setattr(config, names, {})
        try:
            module.define_flags()
            yield module
        finally:
            for flag in set(flags.FLAGS) - others:
                delattr(flags.FLAGS, flag)


def succeed_here(name, *arguments):
    """Does what `succeed` does, in this process, which has TensorFlow loaded already: seconds less,
    where it is not about how a command starts and ends.
    """
    with (
        flags_of(name, *arguments) as module,
        contextlib.redirect_stdout(io.StringIO()) as printed,
    ):
        flags.FLAGS(sys.argv)
        assert not module.main()
    return printed.getvalue()


def refusal(name, *arguments, without=WITHOUT_TENSORFLOW):
    """Returns the one line with which a command, given in this process, refuses with status 2,
    before it imports any of the modules `without` or writes to its output.
    """
    with (
        flags_of(name, *arguments) as module,
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(io.StringIO()) as output,
        contextlib.redirect_stderr(io.StringIO()) as errors,
    ):
        for package in without:
            patch.setitem(sys.modules, package, None)
        with pytest.raises(SystemExit) as ended:
            config.run_command(module.main)
    lines = errors.getvalue().splitlines()
    assert (ended.value.code, output.getvalue(), len(lines)) == (2, "", 1), lines
    return lines[0]


def sentence(result):
    """Returns the one line with which a command refused, having checked that it did so
    without a traceback.
    """
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.returncode == 2, result.stdout
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]


def wait_until(condition, process=None):
    """Waits until `condition()` is true, while a process runs, if one is given."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process is None or process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_for_lines(log, process, count=3):
    """Waits until the process has written `count` lines to a log."""
    wait_until(lambda: log.exists() and log.read_text().count("\n") >= count, process)


def checkpoint(directory):
    """Returns every array of a run's newest checkpoint by its path: weights, optimizers, step."""
    arrays = {}
    with h5py.File(checkpoints.paths(runs.read(directory))[0]) as file:
        file.visititems(
            lambda path, item: (
                arrays.__setitem__(path, item[()]) if isinstance(item, h5py.Dataset) else None
            )
        )
    return arrays


def worker_environment(ports, index):
    """Returns the environment of worker `index` of those that listen on `ports` of this machine."""
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    return {
        **os.environ,
        "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
    }


# Below the ports that a system gives out by itself (Linux: from 32768), and others for each
# process, so that nobody else takes one before it is used.
_PORTS = itertools.count(10_000 + os.getpid() % 1000 * 20)


def free_ports(count):
    """Returns ports of this machine that nothing listens on."""
    found = []
    while len(found) < count:
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("localhost", port := next(_PORTS)))
            found.append(port)
    return found


@contextlib.contextmanager
def serve_application(app):
    """Serves an ASGI application on localhost while the `with` statement lasts; gives the
    address.
    """
    from keras_infogan.serving import http_server, listening

    server = http_server.server(http_server.Gate(app))
    listener = listening.listen("localhost", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://localhost:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def serve_locally(directory, **limits):
    """Serves an export as keras_infogan.serving.local does, with RestApplication's limits, while
    the `with` statement lasts; gives the address.
    """
    from keras_infogan import onnx_model
    from keras_infogan.serving import rest_application

    model = onnx_model.load(directory / "generator.onnx", num_threads=1)
    return serve_application(rest_application.RestApplication(model, **limits).starlette())
