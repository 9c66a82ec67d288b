"""Commands in processes of their own that begin with TensorFlow loaded: forked from a server that
has loaded it once, where to load it takes longer than what they do.

A fork is safe, since what is loaded has not begun to compute: there are no threads yet.
"""

import multiprocessing
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import tempfile

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tensorflow", "keras_infogan.training", "keras_infogan.trained"])


def _become(name, arguments, environment, output, errors, before):
    for path, descriptor in ((output, 1), (errors, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    before()
    runpy.run_module(f"keras_infogan.{name}", run_name="__main__", alter_sys=True)


class Command:
    """A running `python -m keras_infogan.<name>`, with what tests need of subprocess.Popen.

    Attributes:
      output, errors: paths of the files that it writes to, one file if a `log` was given.
    """

    def __init__(self, name, *arguments, env=None, log=None, before=int):
        """
        Args:
          name, arguments: of the command.
          env: its environment, a dict; default: this process's.
          log: path of a file that all it says is added to.
          before: function without arguments, to be pickled, that the process calls first.
        """
        folder = pathlib.Path(tempfile.mkdtemp(prefix="keras_infogan_command_"))
        self.output, self.errors = (log, log) if log else (folder / "output", folder / "errors")
        self._process = _SERVER.Process(
            daemon=True,  # else one that goes on is waited for at the end of the tests
            target=_become,
            args=(
                name,
                list(map(str, arguments)),
                dict(env or os.environ),
                self.output,
                self.errors,
                before,
            ),
        )
        self._process.start()

    @property
    def pid(self):
        return self._process.pid

    @property
    def returncode(self):
        """Its status, negative if a signal ended it, None while it runs."""
        return self._process.exitcode

    def poll(self):
        return self.returncode

    def send_signal(self, number):
        assert self.pid is not None
        os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout=None):
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("command", timeout or 0)
        return self.returncode

    def finished(self, timeout):
        """Waits until it ends, and returns a subprocess.CompletedProcess."""
        status = self.wait(timeout)
        return subprocess.CompletedProcess(
            [], status, self.output.read_text(), self.errors.read_text()
        )
