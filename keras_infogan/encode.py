"""Reads the codes of real images, and says how likely they are:

    python -m keras_infogan.encode --run_dir=runs/mnist-infogan-1 --split=test --output=codes.csv

Writes one line per image: its file or index, its label where the data has one, and per code what
the recognizer says: the likeliest category and its probability, or mean and standard deviation. Of
a model with a likelihood also log_likelihood, in nats: the lowest are the most unusual images.
Where its pixels are binary, each is drawn black or white first, its gray level the probability.
With labels it also prints how well each categorical code agrees with them. The order of categories
is arbitrary, so they are matched to labels first, one to one, as agrees best.

    python -m keras_infogan.encode --run_dir=runs/mnist-infogan-1 --images=my_digits \\
        --output=codes.csv
    python -m keras_infogan.encode --onnx=runs/mnist-infogan-1/export/recognizer.onnx \\
        --images=my_digits --output=codes.csv

The last one does not load TensorFlow. With --classes a model that learned from labels says which
class each image is of.

10,000 MNIST images take about 15 seconds on two CPU cores.
"""

import csv
import io
import pathlib

import numpy as np
from absl import flags

from keras_infogan import config, datasets, files, framing, images, model_source
from keras_infogan.config import UserError
from keras_infogan.untrusted import cell

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
      output: path of the CSV file.
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
        shown = _likely(model, datasets.to_float(np.asarray(image_set.images[:_MOST_PAIRS])))
        picture = io.BytesIO()
        images.surprise(shown, model.surprise(shown)).save(picture, "PNG")
        _write("--surprise", surprise, picture.getvalue())
    count, columns = len(image_set.images), {}

    def answers(function):
        return np.concatenate(
            [
                function(datasets.to_float(np.asarray(image_set.images[start : start + 4096])))
                for start in range(0, count, 4096)
            ]
        )

    if classes:
        probabilities = answers(model.classify)
        names = np.array([cell(name) for name in model.classes])
        columns["class"] = names[probabilities.argmax(axis=-1)]
        columns["class_probability"] = probabilities.max(axis=-1)
    elif "encode" in model.capabilities or "log_likelihood" not in model.capabilities:
        columns = model.latent_spec.describe(answers(model.encode))
    if "log_likelihood" in model.capabilities:
        generator = np.random.default_rng(0)  # draws all images as evaluate does
        columns["log_likelihood"] = answers(
            lambda shown: model.log_likelihood(_likely(model, shown, generator))
        )

    table = {"image": [cell(name) for name in image_set.files] or range(count)}
    if image_set.labels is not None:
        table["label"] = [cell(image_set.label_names[label]) for label in image_set.labels]
    table |= {
        name: [f"{value:.4f}" if isinstance(value, float) else value for value in values.tolist()]
        for name, values in columns.items()
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    _write("--output", output, text.getvalue())
    if classes and image_set.labels is not None:
        # By name: a folder may have some of the classes, in another order.
        said = np.array(model.classes)[probabilities.argmax(axis=-1)]
        right = np.mean(said == np.array(image_set.label_names)[image_set.labels])
        return [f"class: {right:.2%} of {count:,} images have their label as class"]
    return [
        _agreement(code.name, columns[code.name], image_set)
        for code in model.latent_spec.codes
        if code.name in columns and code.has_categories and image_set.labels is not None
    ]


def _likely(model, shown, seed=0):
    """Returns images as the model's likelihood takes them; `seed`: see `datasets.binarized`."""
    return datasets.binarized(shown, seed) if model.likelihood["binary"] else shown


def _write(flag, path, data):
    try:
        files.write_atomically(pathlib.Path(path), data)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; give another {flag}.") from None


def _agreement(name, categories, image_set):
    from keras_infogan.metrics.clustering_accuracy import clustering_accuracy, match_categories

    accuracy, matches = (
        clustering_accuracy(image_set.labels, categories),
        match_categories(image_set.labels, categories),
    )
    listed = ", ".join(
        f"{category}={image_set.label_names[label]}" for category, label in sorted(matches.items())
    )
    return (
        f"{name}: {accuracy:.2%} of {len(categories):,} images agree with their label after "
        f"matching categories to labels ({listed})"
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
    config.define_path("output", "codes.csv", "the table to write.")
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


def main():
    framing.apply_limit()
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
