"""Measures the memory and time of `evaluate` by the number of labeled images:

    python tests/benchmarks/evaluation_memory.py [--nums=100000,1000000] [--metrics=all]

The images, 8x8 pixels of ten classes, are prepared by tensorflow-datasets; what is evaluated is an
InfoGAN after a step. It prints the most anonymous memory that each command held, decoding the
images included, which unlike pages of files the system cannot take back, and asserts nothing.
Linux only.
"""

import contextlib
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import tensorflow_datasets as tfds
from absl import app, flags
from PIL import Image

FLAGS = flags.FLAGS
flags.DEFINE_list("nums", ["100000", "1000000"], "numbers of images of the test split.")
flags.DEFINE_string("metrics", "all", "as keras_infogan.evaluate takes it.")
flags.DEFINE_string("keep", None, "a directory where data sets and run stay for another call.")
_NUM_TRAINING, _SIZE, _NUM_CLASSES = 2000, 8, 10


class Stripes(tfds.core.GeneratorBasedBuilder):
    """Noise with a brighter row, or column, that tells the class."""

    VERSION = tfds.core.Version("1.0.0")
    num_test = 0

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(_SIZE, _SIZE, 1)),
            "label": tfds.features.ClassLabel(num_classes=_NUM_CLASSES),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {
            "train": self._generate_examples(_NUM_TRAINING),
            "test": self._generate_examples(self.num_test),
        }

    def _generate_examples(self, count):
        generator = np.random.default_rng(count)
        for number in range(count):
            image = generator.integers(0, 128, (_SIZE, _SIZE, 1), np.uint8)
            column, place = divmod(number % _NUM_CLASSES, 5)
            (image.swapaxes(0, 1) if column else image)[place] += 127
            encoded = io.BytesIO()  # in half the time of TensorFlow's encoder
            Image.fromarray(image[..., 0]).save(encoded, "PNG")
            encoded.seek(0)
            yield number, {"image": encoded, "label": number % _NUM_CLASSES}


def command(name, *arguments):
    return [sys.executable, "-m", f"keras_infogan.{name}", *arguments]


def most_anonymous_mib(process):
    """Waits for a process; returns the most anonymous memory that it was seen to hold."""
    most = 0
    while process.poll() is None:
        # Of one that is about to end there is no line.
        _, _, after = pathlib.Path(f"/proc/{process.pid}/status").read_text().partition("RssAnon:")
        most = max(most, int(after.split()[0]) if after else 0)
        time.sleep(0.05)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return most / 1024


def main(_):
    with contextlib.ExitStack() as stack:
        root = pathlib.Path(FLAGS.keep or stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["XDG_CACHE_HOME"] = str(root / "cache")
        nums = list(map(int, FLAGS.nums))
        for num in nums:
            Stripes.num_test = num
            Stripes(data_dir=root / str(num)).download_and_prepare()
        run_dir, smallest = f"--run_dir={root / 'run'}", f"--data_dir={root / str(nums[0])}"
        options = ("--dataset=stripes", f"--image_size={_SIZE}", "--codes=kind=categorical(10)")
        subprocess.run(command("train", run_dir, smallest, *options, "--steps=1"), check=True)
        # Makes the feature space, of the training images, which are the same for all.
        images = ("--split=train", "--metrics=images")
        subprocess.run(command("evaluate", run_dir, smallest, *images), check=True)
        print("| images | MiB, anonymous | seconds |\n| --- | --- | --- |")
        for num in nums:
            arguments = (f"--data_dir={root / str(num)}", f"--metrics={FLAGS.metrics}")
            start = time.monotonic()
            process = subprocess.Popen(
                command("evaluate", run_dir, *arguments),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            most = most_anonymous_mib(process)
            print(f"| {num:,} | {most:,.0f} | {time.monotonic() - start:.0f} |", flush=True)


if __name__ == "__main__":
    app.run(main)
