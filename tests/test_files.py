"""Files written whole or not at all, and directories that one process holds at a time."""

import os
import pathlib
import subprocess
import sys
import time

import pytest

from keras_infogan import files
from keras_infogan.config import UserError


@pytest.mark.parametrize(
    ("data", "written"),
    [
        ("text \u00fc", "text \u00fc".encode()),
        (b"\x00\xff", b"\x00\xff"),
        ("a name \udcff", b"a name \xff"),
    ],
)
def test_text_and_bytes_are_written_as_they_are(tmp_path, data, written):
    path = tmp_path / "file"
    path.write_text("before")
    files.write_atomically(path, data)
    assert path.read_bytes() == written
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("before")

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_an_output_directory_is_made_or_refused_in_one_sentence(tmp_path):
    assert files.output_directory(tmp_path / "a" / "b").is_dir()
    assert files.output_directory(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write to .*give another --output_dir"):
        files.output_directory(tmp_path / "file" / "x")


def test_the_cache_lies_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert files.cache_directory() == tmp_path / "keras_infogan"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert files.cache_directory() == tmp_path / "home" / ".cache" / "keras_infogan"


def test_without_a_home_directory_the_cache_needs_a_place(tmp_path, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(pathlib.Path, "home", no_home)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(UserError, match="set XDG_CACHE_HOME to a directory"):
        files.cache_directory()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert files.cache_directory() == tmp_path / "keras_infogan"


def test_a_directory_is_held_by_one_process_and_no_longer_than_it_lasts(tmp_path):
    directory = tmp_path / "held"
    assert not files.is_locked(directory)
    code = (
        "import sys, pathlib; from keras_infogan import files\n"
        "with files.locked_directory(pathlib.Path(sys.argv[1]), '--x', 'at work'): print(1, "
        "flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        assert files.is_locked(directory)
        with (
            pytest.raises(
                UserError,
                match=(
                    f"another process is at work in {directory}; wait until it ends, "
                    "or give another --y"
                ),
            ),
            _held(directory),
        ):
            pass
        process.kill()
    deadline = time.monotonic() + 60
    while files.is_locked(directory):  # the system lets go of it once the process is gone
        assert time.monotonic() < deadline
    with _held(directory):
        assert files.is_locked(directory)
    assert not files.is_locked(directory)


def test_a_directory_stays_held_without_its_file(tmp_path):
    with _held(tmp_path):
        (tmp_path / files.LOCK).unlink()
        assert files.is_locked(tmp_path)
        with pytest.raises(UserError, match="another process is at work"), _held(tmp_path):
            pass
    assert not files.is_locked(tmp_path)


def _held(directory):
    return files.locked_directory(directory, "--y", "at work")


def test_a_directory_that_cannot_be_held_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"cannot write to .*; give a --y that can be written"),
        _held(tmp_path / "file" / "x"),
    ):
        pass


def test_without_locks_of_the_system_it_goes_on(tmp_path, monkeypatch):
    import fcntl

    def refuse(file, operation):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with _held(tmp_path), _held(tmp_path):
        assert not files.is_locked(tmp_path)
