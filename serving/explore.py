"""Opens the latent explorer of an export in the browser:

    python -m keras_infogan.serving.explore --export_dir=runs/digits-infogan-1/export

The export needs --formats=web. This command only hands out its files, to this machine: the browser
computes the images. Any web server can do the same, so the folder web/ may be published as it is.
"""

import functools
import http.server
import sys
import threading
import webbrowser

from absl import flags

from keras_infogan import config, contract
from keras_infogan.config import UserError
from keras_infogan.serving import exported

FLAGS = flags.FLAGS
_TYPES = {
    ".js": "text/javascript",
    ".json": "application/json",
    ".onnx": "application/octet-stream",
    ".wasm": "application/wasm",
}


class _Files(http.server.SimpleHTTPRequestHandler):
    # What a machine's own settings say of these types is wrong on some.
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | _TYPES

    def end_headers(self):
        self.send_header("Cache-Control", "no-cache")  # the next export is at the same address
        super().end_headers()

    def log_message(self, *arguments):
        pass


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        # A tab that was closed while it loaded.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def find(export_dir):
    """Returns the folder of the explorer in an export, or the folder itself if it is one; raises
    UserError if there is none.
    """
    for directory in (export_dir / "web", export_dir):
        if (directory / "explorer.js").is_file():
            contract.read(directory / "generator.json")
            return directory
    contract.read(export_dir / "generator.json")
    raise UserError(f"{export_dir} has no explorer; export the run with --formats=web.")


def define_flags():
    exported.define_flag(", or its web/")
    flags.DEFINE_integer(
        "port", 8000, "the port; 0 takes a free one.", lower_bound=0, upper_bound=65535
    )
    flags.DEFINE_bool("browser", True, "whether to open the browser.")


def main():
    directory = find(exported.chosen_directory())
    try:
        server = _Server(("localhost", FLAGS.port), functools.partial(_Files, directory=directory))
    except OSError as error:
        raise UserError(
            f"cannot listen on port {FLAGS.port}: {error.strerror}; give another --port, "
            "or 0 for a free one."
        ) from None
    url = f"http://localhost:{server.server_address[1]}/"
    print(f"The latent explorer is at {url}; Ctrl-C ends it.", flush=True)
    if FLAGS.browser:
        # Some browsers return only when they are closed.
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    with server:
        server.serve_forever()


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
