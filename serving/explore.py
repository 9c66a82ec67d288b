"""Opens the latent explorer of an export in the browser:

    python -m keras_infogan.serving.explore --export_dir=runs/digits-infogan-1/export

The export needs --formats=web. This command only hands out its files, to this machine unless --host
says otherwise: the browser computes the images. Any web server can do the same, so the folder web/
may be published as it is.
"""

import mimetypes
import threading
import webbrowser

from absl import flags

from keras_infogan import config
from keras_infogan.config import UserError
from keras_infogan.serving import exported, listening

FLAGS = flags.FLAGS
# What a machine's own settings say of these is wrong on some.
_TYPES = {
    ".js": "text/javascript",
    ".json": "application/json",
    ".onnx": "application/octet-stream",
    ".wasm": "application/wasm",
}
HEADERS = {
    "Cache-Control": "no-cache",  # the next export is at the same address
    # That of index.html, and what only a header can say.
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; "
    "worker-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


def application(directory):
    """Returns the ASGI application that hands out the files of a directory."""
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    for ending, kind in _TYPES.items():
        mimetypes.add_type(kind, ending)
    return Starlette(routes=[Mount("/", StaticFiles(directory=directory, html=True))])


def find(export_dir):
    """Returns the folder of the explorer in an export, or the folder itself if it is one; raises
    UserError if there is none.
    """
    for directory in (export_dir / "web", export_dir):
        if (directory / "explorer.js").is_file():
            exported.read_contract(directory)
            return directory
    exported.read_contract(export_dir)
    raise UserError(f"{export_dir} has no explorer; export the run with --formats=web.")


def define_flags():
    exported.define_flag(", or its web/")
    listening.define_flags(8000)
    flags.DEFINE_bool("browser", True, "whether to open the browser.")


def main():
    try:
        from keras_infogan.serving import http_server
    except ImportError as error:
        raise listening.missing(error) from None
    app = application(find(exported.chosen_directory()))
    listener = listening.listen_as_flags_say()
    url = f"{listening.url(listener)}/"
    print(f"The latent explorer is at {url}; Ctrl-C ends it.", flush=True)
    if FLAGS.browser:
        # Some browsers return only when they are closed.
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    http_server.serve(app, listener, HEADERS.items())
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
