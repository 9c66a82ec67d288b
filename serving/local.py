"""Serves an export on this machine, without TensorFlow:

    python -m keras_infogan.serving.local --export_dir=runs/digits-infogan-1/export

It answers on TensorFlow Serving's REST paths, from the ONNX files, so that an application can be
developed against them:

    GET  /v1/models/NAME            its state
    GET  /v1/models/NAME/metadata   inputs and outputs
    POST /v1/models/NAME:predict    {"signature_name": ..., "instances" or "inputs": ...}
    GET  /health, /metrics          for monitors (Prometheus)

It is for development, and listens to this machine only unless --host says otherwise. Production
means TensorFlow Serving (keras_infogan.serving.deploy writes what that needs) or another inference
server for the ONNX files.
"""

import socket

from absl import flags

from keras_infogan import config, contract, onnx_model
from keras_infogan.config import UserError
from keras_infogan.serving import exported

FLAGS = flags.FLAGS


def listen(host, port):
    """Returns a listening socket; raises OSError if there can be none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # Names mean an address of the older kind, where there is one: not every program tries both.
    family, *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    # Not socket.create_server: asyncio sends small answers at once only on sockets that name their
    # protocol, others wait 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def server(app):
    """Returns the uvicorn.Server of an ASGI application; its run(sockets=[...]) serves it."""
    import uvicorn

    settings = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(settings)


def define_flags():
    exported.define_flag()
    flags.DEFINE_string(
        "host", "localhost", "the address to listen on; 0.0.0.0 lets other machines in."
    )
    flags.DEFINE_integer(
        "port", 8501, "the port; 0 takes a free one.", lower_bound=0, upper_bound=65535
    )
    flags.DEFINE_integer("max_batch", 256, "images in a request at most.", lower_bound=1)
    flags.DEFINE_integer(
        "max_body", 32, "MiB of a request at most.", lower_bound=1, upper_bound=1024
    )
    flags.DEFINE_enum("provider", "cpu", onnx_model.PROVIDERS, "what it runs on, if it can be had.")


def main():
    try:
        import uvicorn  # noqa: F401, looked for before anything is loaded

        from keras_infogan.serving.rest_application import RestApplication
    except ImportError as error:
        raise UserError(
            f"serving needs {error.name}, which is not installed; install keras-infogan with its "
            "extra: pip install '.[serving]'."
        ) from None
    directory = exported.chosen_directory()
    contract.read(directory / "generator.json")
    model = onnx_model.load(directory / "generator.onnx", provider=FLAGS.provider)
    name = model.contract.name
    if not FLAGS.host:
        raise UserError(
            "--host is empty, which would be every address of this machine; give localhost, or "
            "0.0.0.0 if that is meant."
        )
    try:
        listener = listen(FLAGS.host, FLAGS.port)
    except OSError as error:
        raise UserError(
            f"cannot listen on {FLAGS.host} port {FLAGS.port}: {error.strerror or error}; give "
            "another --port or --host."
        ) from None
    version = max(exported.versions_of(directory, name), default=1)
    app = RestApplication(model, str(version), FLAGS.max_batch, FLAGS.max_body * 2**20).starlette()
    shown = {"0.0.0.0": "localhost", "::": "localhost"}.get(
        FLAGS.host, f"[{FLAGS.host}]" if ":" in FLAGS.host else FLAGS.host
    )
    url = f"http://{shown}:{listener.getsockname()[1]}"
    print(
        f"{name} answers at {url}/v1/models/{name} on {model.provider}, for development; Ctrl-C "
        "ends it. Production means TensorFlow Serving:"
    )
    print(
        "python -m keras_infogan.serving.deploy. To try it: python -m "
        f"keras_infogan.serving.client --url={url} --export_dir={FLAGS.export_dir}",
        flush=True,
    )
    server(app).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
