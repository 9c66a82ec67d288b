"""Writes the latent explorer: a folder of static files that runs the generator in its visitor's
browser, with onnxruntime-web.

No server computes anything and no data leaves the browser. The page is export/web; generator.json,
beside it, tells it what the codes are.
"""

import dataclasses
import pathlib

from keras_infogan.export import to_onnx

_PAGE = pathlib.Path(__file__).with_name("web")


def contract_of(contract):
    """Returns a Contract as the page needs it: weights, to blend categories, pixels in the order of
    a canvas, and no more than it asks for.
    """
    shown = tuple(name for name in contract.capabilities if name in ("generate", "encode", "edit"))
    return dataclasses.replace(
        contract,
        categories="weights",
        image_type="float32",
        image_layout="NHWC",
        capabilities=shown,
    )


def write(contract, run, learner, directory, runtime):
    """Writes the explorer of a run's loaded Learner, without its generator.json, to a directory,
    which is created.

    Args:
      contract: of `contract_of`.
      runtime: dict from file names to bytes, as web_runtime.files returns it.

    Returns:
      The names of the ONNX files in it.
    """
    directory.mkdir()
    for path in _PAGE.iterdir():
        (directory / path.name).write_bytes(path.read_bytes())
    for name, data in runtime.items():
        (directory / name).write_bytes(data)
    return to_onnx.write(contract, run, learner, directory, fp16=False)
