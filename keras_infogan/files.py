"""Files and folders: written whole or not at all, locked while a process works in them, and the
cache. No TensorFlow.
"""

import contextlib
import errno
import os
import pathlib
import platform

from keras_infogan.config import UserError

LOCK = ".lock"


@contextlib.contextmanager
def replacing(path):
    """Gives a file to write bytes to under a temporary name, which is moved into place when the
    `with` statement ends well: the file at `path` is never half-written.
    """
    # On a disk that several machines share, their processes may have the same number.
    temporary = path.with_name(f".writing_{platform.node()}_{os.getpid()}_{path.name}")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path, data):
    """Writes bytes or text as `replacing` does."""
    with replacing(path) as file:
        # A file's name, which a table may hold, need not be valid UTF-8.
        file.write(data.encode(errors="surrogateescape") if isinstance(data, str) else data)


def opened(path):
    """Returns an open file to read bytes from.

    Raises:
      OSError: also for what is no regular file, such as a pipe, which would be waited for.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return open(path, "rb")


def read(path):
    """Returns the bytes of what `opened` opens."""
    with opened(path) as file:
        return file.read()


def output_directory(path):
    """Creates a directory for what a command writes, if it is not there, and returns its path;
    raises UserError if it cannot.
    """
    path = pathlib.Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write to {path}: {error.strerror}; give another --output_dir."
        ) from None
    return path


def cache_directory():
    """Returns where decoded images and other things that can be made again are kept:
    $XDG_CACHE_HOME/keras_infogan, or ~/.cache/keras_infogan.

    Raises:
      UserError: if there is neither.
    """
    try:
        root = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    except RuntimeError:  # a container's user without a name
        raise UserError(
            "there is no home directory to keep a cache in; set XDG_CACHE_HOME to a directory that "
            "can be written."
        ) from None
    return root / "keras_infogan"


@contextlib.contextmanager
def locked_directory(directory, flag, doing):
    """While it lasts no other process holds the directory, which is created, in this way.

    Raises:
      UserError: if another process does, which is said to be `doing` it, or the directory cannot be
        written; the remedy is another value of `flag`.
    """
    with contextlib.ExitStack() as stack:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            free = stack.enter_context(_held(directory))
        except OSError as error:
            raise UserError(
                f"cannot write to {directory}: {error.strerror}; give a {flag} that can be written."
            ) from None
        if not free:
            raise UserError(
                f"another process is {doing} in {directory}; wait until it ends, "
                f"or give another {flag}."
            )
        yield


def is_locked(directory):
    """Whether a process holds the directory."""
    try:
        with _held(directory) as free:
            return not free
    except OSError:
        return False


@contextlib.contextmanager
def _held(directory):
    """While it lasts this process holds a directory, if no other does; gives whether that is so.

    Systems without such locks (Windows) go without.
    """
    try:
        import fcntl
    except ImportError:
        yield True
        return
    # Of the directory too: its file may be removed while it is held.
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with open(directory / LOCK, "a") as file:
            yield all(_lock(fcntl, held) for held in (file, descriptor))
    finally:
        os.close(descriptor)


def _lock(fcntl, file):
    """Takes the lock of a file, if it is free, and returns whether it was."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True
