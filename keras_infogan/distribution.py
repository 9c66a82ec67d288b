"""Where a model trains: on the devices of one machine, or on the workers of a cluster that the
environment variable TF_CONFIG names.

Both are synchronous: every replica takes an equal part of the global batch, gradients are summed,
all replicas hold the same weights. `Cluster` and the texts of devices are checked without
TensorFlow.
"""

import contextlib
import dataclasses
import functools
import json
import os
import re
import signal
import zlib

from keras_infogan.config import UnfinishedError, UserError
from keras_infogan.untrusted import has_form, parse_json

_TF_CONFIG = {"cluster": {str: [str]}, "task": {"type": str, "index": (int, str)}}


@dataclasses.dataclass(frozen=True)
class Cluster:
    """This process's place among the workers that train together.

    Attributes:
      num_workers: how many there are.
      index: this one's number, 0 for the chief. The chief alone reads and writes the run directory.
    """

    num_workers: int = 1
    index: int = 0

    @property
    def is_chief(self):
        return self.index == 0


ALONE = Cluster()


def parse_devices(text):
    """Returns devices such as ("GPU", 1) from a text such as "GPU:0,GPU:1"; None for None."""
    if text is None:
        return None
    devices = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(GPU|CPU):([0-9]{1,4})\s*", part, re.IGNORECASE)
        if not match:
            raise UserError(
                "--devices: expected devices such as GPU:0,GPU:1 or CPU:0,CPU:1, "
                f"received {part!r}."
            )
        devices.append((match[1].upper(), int(match[2])))
    return devices


def training_devices(text):
    """Returns the devices in a text that may train one model together: each named once, all GPUs or
    all CPUs; None for None.
    """
    devices = parse_devices(text)
    if devices and len(set(devices)) < len(devices):
        raise UserError(f"--devices={text} names a device twice; give each once.")
    if devices and len({kind for kind, _ in devices}) > 1:
        raise UserError(
            f"--devices={text} mixes GPUs and CPUs, which would all wait for the "
            "slowest; give one kind."
        )
    return devices


def cluster(environment=os.environ):
    """Returns the Cluster that TF_CONFIG describes, `ALONE` without one.

    TF_CONFIG is JSON, the same on all hosts but for "task": {"cluster": {"worker": ["host:port",
    ...]}, "task": {"type": "worker", "index": 0}}. One of the workers may be listed as the "chief".

    Raises:
      UserError: if it does not describe workers, or not this process's place among them.
    """
    text = environment.get("TF_CONFIG")
    if not text:
        return ALONE
    example = (
        '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": '
        '"worker", "index": 0}}'
    )
    try:
        content = parse_json(text)
        if not has_form(content, _TF_CONFIG):
            raise ValueError("it has another form")
        jobs, kind, index = (
            content["cluster"],
            content["task"]["type"],
            int(content["task"]["index"]),
        )
    except ValueError:
        raise UserError(
            f"TF_CONFIG is not what TensorFlow expects; it should look like {example}, "
            f"not {text[:200]!r}."
        ) from None
    if set(jobs) - {"chief", "worker"} or kind not in jobs or len(jobs.get("chief", [])) > 1:
        raise UserError(
            "TF_CONFIG may name workers, one of them as the chief, and this task among them; it "
            f"has {sorted(jobs)} and the task {kind!r}."
        )
    hosts = [host for job in ("chief", "worker") for host in jobs.get(job, [])]
    ports = [re.fullmatch(r"\S+:([0-9]{1,5})", host) for host in hosts]
    valid = all(port and 0 < int(port[1]) < 2**16 for port in ports)
    if not valid or len(set(hosts)) < len(hosts):
        raise UserError(
            f"TF_CONFIG: expected a different host:port for every worker, received {hosts}."
        )
    if not 0 <= index < len(jobs[kind]):
        raise UserError(
            f"TF_CONFIG: there is no {kind} {index}; the cluster has "
            f"{len(jobs[kind])}, counted from 0."
        )
    return Cluster(len(hosts), index + (len(jobs.get("chief", [])) if kind == "worker" else 0))


def strategy(devices=None, workers=ALONE):
    """Returns the tf.distribute strategy that trains on these devices, once all workers are there.

    Args:
      devices: of this machine, as `training_devices` gives them; CPU devices are virtual ones that
        share the cores. Default: all GPUs, or the CPU.
      workers: the Cluster.

    Raises:
      UserError: if this machine has no such device.
    """
    import tensorflow as tf

    devices = devices or []
    kinds = {kind for kind, _ in devices}
    if workers.num_workers > 1 and kinds == {"CPU"} and devices != [("CPU", 0)]:
        raise UserError(
            "--devices: a worker of a cluster trains on its GPUs or on CPU:0; "
            "start more workers instead."
        )
    if "GPU" in kinds:
        gpus = tf.config.list_physical_devices("GPU")
        missing = [f"GPU:{index}" for _, index in devices if index >= len(gpus)]
        if missing:
            raise UserError(
                f"--devices: TensorFlow sees {len(gpus)} GPUs here, not {', '.join(missing)}; "
                "nvidia-smi and .[cuda] are the places to look."
            )
        tf.config.set_visible_devices([gpus[index] for _, index in devices], "GPU")
    elif kinds:
        if tf.config.get_visible_devices("GPU"):
            tf.config.set_visible_devices([], "GPU")
        _make_virtual_cpus(1 + max(index for _, index in devices))
    if workers.num_workers > 1:
        print(
            f"Worker {workers.index} of {workers.num_workers}: waiting until all are there.",
            flush=True,
        )
        # Python's own handler of Ctrl-C would wait with the rest of this process; nothing is lost
        # by ending at once.
        previous = signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            with workers_present():
                return tf.distribute.MultiWorkerMirroredStrategy()
        finally:
            signal.signal(signal.SIGINT, previous)
    # GPUs that are not wanted are invisible by now, and those left are counted from 0.
    names = (
        [f"GPU:{number}" for number in range(len(devices))]
        if "GPU" in kinds
        else [f"{kind}:{index}" for kind, index in devices]
    )
    return tf.distribute.MirroredStrategy(names or None)


def _make_virtual_cpus(count):
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(cpu) or [None]) < count:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )


@contextlib.contextmanager
def workers_present():
    """Turns what TensorFlow raises when another worker is gone into UnfinishedError."""
    import tensorflow as tf

    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.FailedPreconditionError,
    ) as error:
        raise UnfinishedError(
            "another worker is gone; start all workers again, "
            "they continue from the last checkpoint."
        ) from error


@functools.cache
def _summing(strategy, count):
    """Returns a compiled function that sums tensors over the first `count` replicas, each of which
    has its worker's.
    """
    import tensorflow as tf

    def part(tensors):
        taken = tf.distribute.get_replica_context().replica_id_in_sync_group < count
        return [tf.where(taken, tensor, tf.zeros_like(tensor)) for tensor in tensors]

    @tf.function(autograph=False)
    def summed(tensors):
        return [
            strategy.reduce("SUM", value, axis=None) for value in strategy.run(part, (tensors,))
        ]

    return summed


def check_same_run(strategy, run):
    """Raises UserError unless all workers were asked for the same run.

    Where each finds its data does not matter.
    """
    import tensorflow as tf

    asked = {key: value for key, value in run.to_json().items() if key != "data_dir"}
    digest, replicas = (
        zlib.crc32(json.dumps(asked, sort_keys=True).encode()),
        strategy.num_replicas_in_sync,
    )
    (total,) = _summing(strategy, replicas)([tf.constant(digest, tf.int64)])
    if int(total) != replicas * digest:
        raise UserError(
            "the workers were given different flags, data or versions of keras-infogan; give all "
            "the same command."
        )


def share_state(strategy, variables):
    """Gives `variables` on every worker the values they have on the chief, which alone
    reads checkpoints.
    """
    import tensorflow as tf

    values = _summing(strategy, 1)(
        [tf.convert_to_tensor(variable.numpy()) for variable in variables]
    )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def on_any_worker(strategy, flag):
    """Returns whether `flag`, a bool that each worker has for itself, is True on any; all workers
    must ask at the same time.
    """
    import tensorflow as tf

    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return flag
    (total,) = _summing(strategy, strategy.num_replicas_in_sync)([tf.constant(flag, tf.int32)])
    return bool(total > 0)
