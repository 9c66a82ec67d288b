"""Serves an export on this machine, without TensorFlow:

    python -m keras_infogan.serving.local --export_dir=runs/digits-infogan-1/export

It answers on TensorFlow Serving's REST paths, from the ONNX files, so that an application can be
developed against them:

    GET  /v1/models/NAME            its state
    GET  /v1/models/NAME/metadata   inputs and outputs
    POST /v1/models/NAME:predict    {"signature_name": ..., "instances" or "inputs": ...}
    GET  /health, /metrics          for monitors (Prometheus; as TensorFlow Serving has it,
                                    /monitoring/prometheus/metrics)

It is for development, and listens to this machine only unless --host says otherwise. Production
means TensorFlow Serving (keras_infogan.serving.deploy writes what that needs) or another inference
server for the ONNX files.
"""

from absl import flags

from keras_infogan import config, onnx_model
from keras_infogan.serving import exported, listening
from keras_infogan.untrusted import printable

FLAGS = flags.FLAGS
_MOST_BODY = 16  # MiB, unless --max_body says otherwise


def define_flags():
    exported.define_flag()
    listening.define_flags(8501)
    flags.DEFINE_integer("max_batch", 256, "images in a request at most.", lower_bound=1)
    flags.DEFINE_integer(
        "max_body",
        None,
        "MiB of a request at most; default: what --max_batch images of the model take, at most "
        f"{_MOST_BODY}.",
        lower_bound=1,
        upper_bound=1024,
    )
    flags.DEFINE_bool("cors", False, "whether pages of other addresses may ask it (CORS).")
    flags.DEFINE_enum("provider", "cpu", onnx_model.PROVIDERS, "what it runs on, if it can be had.")


def main():
    try:
        from keras_infogan.serving import http_server, rest_application
    except ImportError as error:
        raise listening.missing(error) from None
    directory = exported.chosen_directory()
    first = exported.first_onnx_file(exported.read_contract(directory))
    model = onnx_model.load(directory / first, provider=FLAGS.provider)
    name = model.contract.name
    listener = listening.listen_as_flags_say()
    version = max(exported.versions_of(directory, name), default=1)
    most = (
        FLAGS.max_body * 2**20
        if FLAGS.max_body
        else min(rest_application.needed_body(model, FLAGS.max_batch), _MOST_BODY * 2**20)
    )
    app = rest_application.RestApplication(model, str(version), FLAGS.max_batch, most)
    url = listening.url(listener)
    print(
        f"{name} answers at {url}/v1/models/{name} on {model.provider}, for development; Ctrl-C "
        "ends it. Production means TensorFlow Serving:"
    )
    print(
        "python -m keras_infogan.serving.deploy. To try it: python -m "
        f"keras_infogan.serving.client --url={url} --export_dir={printable(FLAGS.export_dir)}",
        flush=True,
    )
    http_server.serve(app.starlette(FLAGS.cors), listener)
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
