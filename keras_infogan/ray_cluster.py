"""The nodes of a Ray cluster (https://docs.ray.io), on which tasks run: with --ray, never without.
Ray itself is imported here alone, and comes with pip install ".[ray]".
"""

import os
import secrets
import signal
import socket
import sys

from keras_infogan import __version__, files
from keras_infogan.config import UserError
from keras_infogan.untrusted import printable

LOCAL = "local"
# How often a task is tried again whose node died: what kills its node each time ends some day.
_MOST_RETRIES = 20
# Seconds to wait for an address, and for what a node says of itself.
_TO_CONNECT, _TO_ANSWER = 5, 300
_TOKEN = ".seen_by_every_node"


class Cluster:
    """A connection to a cluster, closed when the `with` statement ends. From then on a SIGTERM ends
    the process as Ctrl-C does.

    Attributes:
      cpus: number of CPUs of all nodes.
    """

    def __init__(self, address, cpus, gpus, directory, flag, paths=()):
        """
        Args:
          address: of its head, HOST:PORT, or "local" to start one on this machine.
          cpus, gpus: number of each that a task takes, which may be a part of one.
          directory: path of a directory that is there, which all nodes must see and write.
          flag: that it came from.
          paths: of what all nodes must be able to read.

        Raises:
          UserError: if there is none, or it cannot do what is asked.
        """
        if address == LOCAL:
            # What listens runs any code that is sent to it. Ray keeps to 127.0.0.1 by itself on
            # macOS and Windows, and elsewhere if this says so before it is imported.
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        try:
            import ray  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise UserError(
                "--ray needs Ray, which is not installed; install keras-infogan with its extra: "
                "pip install '.[ray]'."
            ) from None
        self._ray, self._address, self._references = ray, address, {}
        self._connect()
        try:
            nodes = self._able({"CPU": cpus, "GPU": gpus})
            self._check(nodes, directory, flag, paths)
        except BaseException:
            ray.shutdown()
            raise
        self.cpus = sum(node["Resources"].get("CPU", 0) for node in nodes)
        self._task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=_MOST_RETRIES)(_call)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._ray.shutdown()

    def _connect(self):
        if self._address != LOCAL:
            _check_address(self._address)
        try:
            context = self._ray.init(
                self._address,
                include_dashboard=self._address == LOCAL or None,
                log_to_driver=False,
                logging_level="ERROR",
            )
        except Exception as error:  # of many classes, Exception itself among them
            remedy = (
                "give the command again when this machine is less busy, for Ray gives a node 30 "
                "seconds to start, or without --ray"
                if self._address == LOCAL
                else "give the address of a cluster that this machine is a node of, or local"
            )
            raise UserError(
                f"--ray={self._address}: Ray says {_first_line(error)!r}; {remedy}."
            ) from None
        # Ray lets it end the process without a word, and for good.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        dashboard = f"http://{context.dashboard_url}" if context.dashboard_url else "none"
        print(f"Ray: {len(nodes)} nodes; dashboard: {dashboard}", file=sys.stderr)

    def _able(self, wanted):
        """Returns the nodes on which a task can run, dicts; raises UserError if there is none."""
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        able = [
            node
            for node in nodes
            if all(node["Resources"].get(kind, 0) >= number for kind, number in wanted.items())
        ]
        if not able:
            there = {tuple(node["Resources"].get(kind, 0) for kind in wanted) for node in nodes}
            raise UserError(
                f"no node of {self._address} has {_counted(wanted.values())} for a task: they have "
                f"{'; '.join(map(_counted, sorted(there)))}; ask for less."
            )
        return able

    def _check(self, nodes, directory, flag, paths):
        """Raises UserError unless all nodes are as this machine is, in what matters to tasks."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # pyright: ignore[reportMissingImports]

        token, written = secrets.token_hex(), directory / _TOKEN
        files.write_atomically(written, token)
        try:
            answers = [
                self._ray.remote(_look())
                .options(
                    num_cpus=0,
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
                )
                .remote(str(written), token, [str(path) for path in paths])
                for node in nodes
            ]
            found = self._ray.get(answers, timeout=_TO_ANSWER)
        except self._ray.exceptions.RayError as error:
            raise UserError(
                f"a node of {self._address} does not answer ({_first_line(error)}); look at the "
                "cluster, and give the command again."
            ) from None
        finally:
            written.unlink(missing_ok=True)
        for node, (version, is_seen, missing) in zip(nodes, found, strict=True):
            name = f"the node {node['NodeManagerHostname']}"
            if version != __version__:
                raise UserError(
                    f"{name} of {self._address} has "
                    f"{f'keras-infogan {version}' if version else 'no keras-infogan'}, and this "
                    f"machine {__version__}; install the same version on all of them."
                )
            if not is_seen:
                raise UserError(
                    f"{name} of {self._address} cannot write to {directory}, as this machine sees "
                    f"it; give a {flag} on a disk that all nodes share."
                )
            for path in missing:
                raise UserError(
                    f"{name} of {self._address} cannot read {path}; put it on a disk that all "
                    "nodes share."
                )

    def submit(self, name, function, *arguments):
        """Returns a concurrent.futures.Future of what a function of a module returns on some node,
        where it may run more than once; the dashboard shows the name.
        """
        reference = self._task.options(name=name).remote(function, *arguments)
        future = reference.future()
        self._references[id(future)] = reference
        # Ray keeps what it knows of a task as long as somebody refers to it.
        future.add_done_callback(lambda ended: self._references.pop(id(ended), None))
        return future

    def cancel(self, killing):
        """Interrupts all tasks as Ctrl-C would, or kills them with all that they started."""
        for reference in list(self._references.values()):
            self._ray.cancel(reference, force=killing)

    def reason(self, error):
        """Returns why a task has no result, in a line."""
        if isinstance(error, self._ray.exceptions.TaskCancelledError):
            return "stopped"
        return _first_line(getattr(error, "cause", None) or error)


def _check_address(address):
    """Raises UserError unless something listens there that may be Ray: left alone with another
    address, Ray would try for more than a minute, and then end this process.
    """
    import grpc

    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UserError(
            f"--ray: expected HOST:PORT, as `ray start --head` prints it, or {LOCAL}, received "
            f"{address!r}."
        )
    try:
        socket.create_connection((host, int(port)), _TO_CONNECT).close()
        if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
            return  # whose certificates are Ray's to look at
        # Ray asks no proxy either.
        direct = [("grpc.enable_http_proxy", 0)]
        with grpc.insecure_channel(address, direct) as channel:
            grpc.channel_ready_future(channel).result(_TO_CONNECT)
    except (OSError, OverflowError, UnicodeError, grpc.FutureTimeoutError):
        raise UserError(
            f"there is no Ray cluster at {address}; start one with `ray start --head`, or give "
            "the address that this prints."
        ) from None


def _call(function, *arguments):
    return function(*arguments)


def _look():
    """Returns a function that says of a node what `_check` asks. Within this one, it is sent as it
    is: the node need not have it.
    """

    def look(written, token, paths):
        import os

        try:
            from keras_infogan import __version__ as version
        except ImportError:
            version = None
        try:
            with open(written) as file:
                is_seen = file.read() == token and os.access(os.path.dirname(written), os.W_OK)
        except OSError:
            is_seen = False
        return version, is_seen, [path for path in paths if not os.access(path, os.R_OK)]

    return look


def _counted(numbers):
    cpus, gpus = numbers
    return f"{cpus:g} CPUs and {gpus:g} GPUs"


def _first_line(error):
    lines = printable(str(error)).splitlines()
    return lines[0] if lines else type(error).__name__
