"""Reads the codes of real images, and says how likely they are:

    python -m keras_infogan.encode --run_dir=runs/mnist-infogan-1 --split=test --output=codes.csv

Writes one line per image, as CSV or, to codes.parquet, as Parquet: its file or index, its label
where the data has one, and per code what the recognizer says: the likeliest category and its
probability, or mean and standard deviation. Of a model with a likelihood also log_likelihood, in
nats: the lowest are the most unusual images. Where its pixels are binary, each is drawn black or
white first, its gray level the probability.
With labels it also prints how well each categorical code agrees with them. The order of categories
is arbitrary, so they are matched to labels first, one to one, as agrees best.

    python -m keras_infogan.encode --run_dir=runs/mnist-infogan-1 --images=my_digits \\
        --output=codes.csv
    python -m keras_infogan.encode --onnx=runs/mnist-infogan-1/export/recognizer.onnx \\
        --images=my_digits --output=codes.csv

The last one does not load TensorFlow, and with --ray=HOST:PORT many machines share its work
(docs/scale.md). With --classes a model that learned from labels says which
class each image is of.

10,000 MNIST images take about 15 seconds on two CPU cores.
"""

import contextlib
import io
import pathlib

import numpy as np
import tqdm
from absl import flags
from PIL import Image

from keras_infogan import (
    config,
    datasets,
    encoding,
    files,
    framing,
    images,
    model_source,
    tables,
)
from keras_infogan.config import UserError

FLAGS = flags.FLAGS
_MOST_PAIRS = 100


def encode(
    run,
    load_model,
    output,
    image_dir=None,
    split=None,
    data_dir=None,
    pairs=None,
    classes=False,
    surprise=None,
):
    """Writes the recognizer's answers on real images, and their likelihoods, as a table, or the
    classifier's.

    Args:
      run: the Run that the model is of.
      load_model: function () -> the trained model; called once the images are there.
      output: path of the table; .parquet becomes Parquet, any other CSV.
      image_dir: folder or zip of images, or folder of words, or None to read `split` of the run's
        data set.
      split: name of a split.
      data_dir: where the data set lies; default: as in training.
      pairs: path of a picture to write of the first images beside their reconstructions, or None.
      classes: whether the classifier is asked, not the recognizer.
      surprise: of one of them beside how surprising each of their pixels is, or None.

    Returns:
      Lines to print: agreement with the labels, if there are any.
    """
    if image_dir:
        image_set = datasets.load_own(run.dataset, run.image_shape, image_dir, run.framing)
    else:
        image_set = datasets.load(
            run.dataset, split, run.image_shape, data_dir or run.data_dir, run.framing
        )
    model = load_model()
    if pairs:
        shown = datasets.to_float(np.asarray(image_set.images[:_MOST_PAIRS]))
        picture = io.BytesIO()
        images.pairs(shown, model.reconstruct(shown)).save(picture, "PNG")
        _write("--reconstructions", pairs, picture.getvalue())
    if surprise:
        shown = encoding.likely(
            model, datasets.to_float(np.asarray(image_set.images[:_MOST_PAIRS]))
        )
        picture = io.BytesIO()
        images.surprise(shown, model.surprise(shown)).save(picture, "PNG")
        _write("--surprise", surprise, picture.getvalue())
    count, labels = len(image_set.images), image_set.labels
    num_right, category_counts = 0, {}
    generator = np.random.default_rng(0)  # draws all images as evaluate does
    with (
        _writing("--output", output),
        tables.written(pathlib.Path(output)) as add,
        tqdm.tqdm(total=count, desc="encoding", unit="image", leave=False, delay=2) as bar,
    ):
        for start in range(0, count, encoding.IMAGES_AT_A_TIME):
            part = slice(start, start + encoding.IMAGES_AT_A_TIME)
            columns = {"image": (image_set.files or range(count))[part]}
            if labels is not None:
                columns["label"] = [image_set.label_names[label] for label in labels[part]]
            columns |= encoding.answers(
                model, np.asarray(image_set.images[part]), classes, generator
            )
            add(columns)
            bar.update(len(columns["image"]))
            if labels is not None and classes:
                # By name: a folder may have some of the classes, in another order.
                num_right += np.sum(columns["class"] == np.array(columns["label"]))
            elif labels is not None:
                for code in model.latent_spec.codes:
                    if code.has_categories and code.name in columns:
                        table = category_counts.setdefault(
                            code.name, np.zeros((len(image_set.label_names), code.num_values), int)
                        )
                        np.add.at(table, (labels[part], columns[code.name]), 1)
    if classes and labels is not None:
        return [f"class: {num_right / count:.2%} of {count:,} images have their label as class"]
    return [
        _agreement(name, table, image_set.label_names) for name, table in category_counts.items()
    ]


@contextlib.contextmanager
def _writing(flag, path):
    """While it lasts, what cannot be written is a sentence about the flag."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; give another {flag}.") from None


def _write(flag, path, data):
    with _writing(flag, path):
        files.write_atomically(pathlib.Path(path), data)


def _agreement(name, category_counts, label_names):
    from keras_infogan.metrics.clustering_accuracy import clustering_accuracy, match_categories

    matches = sorted(match_categories(category_counts).items())
    listed = ", ".join(f"{category}={label_names[label]}" for category, label in matches)
    return (
        f"{name}: {clustering_accuracy(category_counts):.2%} of {category_counts.sum():,} images "
        f"agree with their label after matching categories to labels ({listed})"
    )


def define_flags():
    model_source.define_flags("recognizer.onnx")
    flags.DEFINE_bool(
        "classes", False, "write the classes of a model that learned from labels, not its codes."
    )
    flags.DEFINE_string("images", None, "a folder or zip of images, or folder of words, to read.")
    flags.DEFINE_string(
        "split", None, "a split of the run's own data set instead, for example test."
    )
    flags.DEFINE_string(
        "data_dir", None, "where the data set lies now, if not where it was trained from."
    )
    framing.define_limit()
    config.define_path(
        "output",
        "codes.csv",
        "the table to write: CSV, or Parquet if it ends in .parquet; with --ray, a directory for "
        "many Parquet files.",
    )
    flags.DEFINE_string(
        "ray",
        None,
        "read --images with --onnx on the nodes of the Ray cluster at this HOST:PORT, which all "
        "see the three places; local: on one that is started here.",
    )
    config.define_path(
        "reconstructions",
        None,
        "a picture to write too: the first images, each beside what is generated from its codes.",
    )
    config.define_path(
        "surprise",
        None,
        "a picture to write too, of a model that makes pixel by pixel: the first images, each "
        "beside how surprising its pixels are after those before them.",
    )


def _encode_on_nodes():
    """Does with --ray what `main` does without."""
    if not FLAGS.onnx or not FLAGS.images or not FLAGS["output"].present:
        raise UserError(
            "--ray reads a folder with an exported model, into a directory: give --onnx=FILE, "
            "--images=FOLDER and --output=DIR."
        )
    for flag in ("run_dir", "split", "reconstructions", "surprise"):
        if FLAGS[flag].value:
            raise UserError(f"--{flag} is not for --ray; leave it out.")
    if FLAGS.provider != "cpu":
        raise UserError("on a Ray cluster models run on CPUs; leave out --provider.")
    source = encoding.Source(
        pathlib.Path(config.absolute_path(FLAGS.onnx)),
        pathlib.Path(config.absolute_path(FLAGS.images)),
        FLAGS.classes,
        Image.MAX_IMAGE_PIXELS,
    )
    from keras_infogan import ray_cluster

    directory = pathlib.Path(config.absolute_path(FLAGS.output))
    todo = encoding.Shards(source, directory)
    with (
        files.locked_directory(directory, "--output", "encoding"),
        ray_cluster.Cluster(
            FLAGS.ray, 1, 0, directory, "--output", (source.onnx, source.folder)
        ) as cluster,
    ):
        unreadable = todo.finish(cluster)
    print(directory)
    return 1 if unreadable else 0


def main():
    framing.apply_limit()
    if FLAGS.ray:
        return _encode_on_nodes()
    run, load = model_source.chosen(
        needs=("classify",) * bool(FLAGS.classes)
        + ("reconstruct",) * bool(FLAGS.reconstructions)
        + ("surprise",) * bool(FLAGS.surprise),
        others=True,
    )
    if bool(FLAGS.images) == bool(FLAGS.split):
        raise UserError(
            "which images? Give either --images=FOLDER or --split=NAME, for example --split=test."
        )
    written, places = {"output": FLAGS.output}, {}
    written |= {
        flag: path
        for flag, path in (
            ("reconstructions", FLAGS.reconstructions),
            ("surprise", FLAGS.surprise),
        )
        if path
    }
    for flag, path in written.items():
        other = places.setdefault(pathlib.Path(path).absolute(), flag)
        if other != flag:
            raise UserError(
                f"--{other} and --{flag} are both {path}; give the picture a place of its own."
            )
        if not pathlib.Path(path).absolute().parent.is_dir():
            raise UserError(f"the directory of --{flag}={path} does not exist; create it first.")
    for line in encode(
        run,
        load,
        FLAGS.output,
        config.user_path(FLAGS.images),
        FLAGS.split,
        config.user_path(FLAGS.data_dir),
        FLAGS.reconstructions,
        FLAGS.classes,
        FLAGS.surprise,
    ):
        print(line)
    print(*written.values(), sep="\n")
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
