"""Compares what TensorFlow's C++ loader answers in two versions of TensorFlow, for images of an
exported SavedModel: a server need not have the exporter's.

    python tests/benchmarks/loader_of_another_version.py EXPORT_DIR answers.npz
        in the environment that exported
    OTHER_PYTHON tests/benchmarks/loader_of_another_version.py EXPORT_DIR answers.npz
        in one with another TensorFlow; prints the differences

The first run writes the file, with what was asked; the second finds it.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

import numpy as np
import tensorflow as tf

from keras_infogan.export.cpp_session import CppSession

COUNT = 100


def ask(contract, session):
    """Returns what was asked and answered, a dict of arrays by "signature/in or out/name"."""
    given = {"latents": contract.latent_spec.sample(COUNT, 0), "seeds": np.arange(COUNT)}
    given["images"] = np.random.default_rng(0).random((COUNT, *contract.image_shape), np.float32)
    given["noise"] = contract.likelihood_noise.from_seeds(given["seeds"])
    arrays = {}
    for signature in contract.signatures():
        feeds = contract.feeds(signature, **given)
        answers = session.run(signature, feeds)
        arrays |= {f"{signature}/in/{name}": array for name, array in feeds.items()}
        arrays |= {
            f"{signature}/out/{name}": array
            for name, array in answers.items()
            if array.dtype.kind in "if"
        }
    return arrays


def compare(arrays, session):
    """Prints, per signature, the largest difference of a session's answers from
    those in `arrays`.
    """
    for signature in sorted({key.split("/")[0] for key in arrays}):
        parts = {
            part: {
                key.split("/")[2]: arrays[key]
                for key in arrays
                if key.startswith(f"{signature}/{part}/")
            }
            for part in ("in", "out")
        }
        answers = session.run(signature, parts["in"])
        print(
            signature,
            max(
                (np.abs(answers[name] - array).max() for name, array in parts["out"].items()),
                default="is not compared",
            ),
        )


if __name__ == "__main__":
    export_dir, file = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    (saved_model,) = (path.parent for path in export_dir.glob("*/1/saved_model.pb"))
    print(f"TensorFlow {tf.__version__}")
    with CppSession(saved_model) as session:
        if file.exists():
            compare(np.load(file), session)
        else:
            from keras_infogan import contract

            np.savez(file, **ask(contract.read(export_dir / "generator.json")[1], session))
