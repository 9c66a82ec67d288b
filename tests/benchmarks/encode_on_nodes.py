"""Images per second that `encode` reads from a folder: the plain command, and on Ray nodes of this
machine, one core each; the last time with a node killed on the way. Asserts nothing but that no row
is lost or doubled.

    python tests/benchmarks/encode_on_nodes.py --onnx=EXPORT/recognizer.onnx --num=100000

Times are of whole commands, start-up included. In the first the cache of decoded images is empty.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import app, flags
from PIL import Image
from pyarrow import parquet

FLAGS = flags.FLAGS
flags.DEFINE_string("onnx", None, "an exported recognizer.onnx.", required=True)
flags.DEFINE_integer("num", 100_000, "number of images.")
flags.DEFINE_integer("size", 28, "their height and width in pixels.")
flags.DEFINE_list("nodes", ["1", "2", "4"], "numbers of nodes.")


def make_images(folder):
    generator = np.random.default_rng(0)
    for number in range(FLAGS.num):
        if number % 1000 == 0:
            (folder / f"{number // 1000:04d}").mkdir(parents=True)
        pixels = generator.integers(0, 256, (FLAGS.size, FLAGS.size), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number // 1000:04d}" / f"{number:07d}.png")


def command(root, output, *arguments):
    return [
        *(sys.executable, "-m", "keras_infogan.encode", f"--onnx={FLAGS.onnx}"),
        *(f"--images={root / 'images'}", f"--output={output}", *arguments),
    ]


def check(output):
    tables = sorted(output.glob("part-*.parquet")) if output.is_dir() else [output]
    names = [name for path in tables for name in parquet.read_table(path)["image"].to_pylist()]
    assert len(names) == len(set(names)) == FLAGS.num, (len(names), len(set(names)))


def on_nodes(root, count, kill):
    from ray.cluster_utils import Cluster  # pyright: ignore[reportMissingImports]

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(count):
        cluster.add_node(num_cpus=1)
    output = root / f"nodes_{count}_{kill}"
    start = time.monotonic()
    process = subprocess.Popen(command(root, output, f"--ray={cluster.address}"))
    if kill:
        while not list(output.glob("part-*.parquet")):
            time.sleep(0.1)
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    assert process.wait() == 0
    taken = time.monotonic() - start
    cluster.shutdown()
    check(output)
    return taken


def main(_):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        make_images(root / "images")
        os.environ["XDG_CACHE_HOME"] = str(root / "cache")
        output = root / "codes.parquet"
        rows = []
        for title in ("plain", "plain, decoded before"):
            start = time.monotonic()
            subprocess.run(command(root, output), check=True)
            rows.append((title, time.monotonic() - start))
            check(output)
        for count in map(int, FLAGS.nodes):
            rows.append((f"{count} nodes", on_nodes(root, count, kill=False)))
        rows.append((f"{FLAGS.nodes[-1]} nodes, one killed", on_nodes(root, count, kill=True)))
    print(f"{FLAGS.num:,} images; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for title, taken in rows:
        print(f"{title}: {taken:.1f} s, {FLAGS.num / taken:,.0f} images per second")


if __name__ == "__main__":
    app.run(main)
