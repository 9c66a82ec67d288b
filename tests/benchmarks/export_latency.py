"""Measures how fast a generator starts and answers in each format:

    python tests/benchmarks/export_latency.py RUN_DIR EXPORT_DIR

Start-up is the time of a new process until its first image; latency is that of a batch, from named
codes and noise in memory to images in memory. The formats take turns in one run, so that what else
the machine does meets all alike; medians. It prints, it asserts nothing.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import tensorflow as tf

from keras_infogan import contract, loaded, onnx_model

_STARTS, _ROUNDS, _BATCH_SIZES = 5, 30, (1, 16, 64)
_START = {
    "ONNX Runtime": (
        "from keras_infogan import onnx_model; m = onnx_model.load(files + '/generator.onnx', "
        "needs=('generate',)); m.sample(1, 0)"
    ),
    "SavedModel": (
        "import tensorflow as tf; m = tf.saved_model.load(saved_model); s = "
        "m.signatures['latents']; s(latents=tf.zeros([1, "
        "s.structured_input_signature[1]['latents'].shape[1]]))"
    ),
    "Keras": "from keras_infogan import loaded; _, m = loaded.load_run(run); m.sample(1, 0)",
}


def main(run_dir, export_dir):
    _, agreed = contract.read(pathlib.Path(export_dir) / "generator.json")
    saved_model = f"{export_dir}/{agreed.name}/1"
    places = f"run, files, saved_model = {run_dir!r}, {export_dir!r}, {saved_model!r}; "
    starts = {name: [] for name in _START}
    for _ in range(_STARTS):
        for name, code in _START.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", places + code], check=True, capture_output=True)
            starts[name].append(time.perf_counter() - begin)
    print(f"{agreed.name}: seconds until the first image, medians of {_STARTS}")
    for name, seconds in starts.items():
        print(
            f"  {name:14} {statistics.median(seconds):6.2f}   from {min(seconds):.2f} to "
            f"{max(seconds):.2f}"
        )

    _, model = loaded.load_run(run_dir)
    session, _ = onnx_model.open_session(pathlib.Path(export_dir) / "generator.onnx")
    signature = tf.saved_model.load(saved_model).signatures["serving_default"]
    for size in _BATCH_SIZES:
        latents = agreed.latent_spec.sample(size, 0)
        feeds = agreed.feeds("generator", latents=latents)
        tensors = {name: tf.constant(array) for name, array in feeds.items()}
        ways = {
            "ONNX Runtime": lambda feeds=feeds: session.run(None, feeds),
            "SavedModel": lambda tensors=tensors: signature(**tensors)["images"].numpy(),
            "Keras": lambda latents=latents: model.generate(latents),
        }
        times = {name: [] for name in ways}
        for _ in range(_ROUNDS + 3):
            for name, way in ways.items():
                begin = time.perf_counter()
                way()
                times[name].append(1000 * (time.perf_counter() - begin))
        # The first ones warm up.
        medians = {name: statistics.median(values[3:]) for name, values in times.items()}
        fastest = min(medians.values())
        print(
            f"batch {size}: "
            + ", ".join(
                f"{name} {value:.2f} ms ({value / fastest:.1f}x)" for name, value in medians.items()
            )
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
