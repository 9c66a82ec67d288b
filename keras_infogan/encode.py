"""Reads the codes of real images: python -m keras_infogan.encode --run_dir=runs/mnist-infogan-1 --split=test --output=codes.csv

Writes one line per image: its file or index, its label where the data has one, and per code what the recognizer says: the likeliest category and its
probability, or mean and standard deviation. With labels it also prints how well each categorical code agrees with them. The order of categories is arbitrary,
so they are matched to labels first, one to one, as agrees best.

    python -m keras_infogan.encode --run_dir=runs/mnist-infogan-1 --images=my_digits --output=codes.csv
    python -m keras_infogan.encode --onnx=runs/mnist-infogan-1/export/recognizer.onnx --images=my_digits --output=codes.csv

The last one does not load TensorFlow.

10,000 MNIST images take about 15 seconds on two CPU cores.
"""

import csv
import io
import pathlib

import numpy as np
from absl import flags

from keras_infogan import config, datasets, model_source, runs
from keras_infogan.config import UserError

FLAGS = flags.FLAGS


def encode(run, load_model, output, image_dir=None, split=None, data_dir=None):
    """Writes the recognizer's answers on real images as a table.

    Args:
      run: the Run that the model is of.
      load_model: function () -> the trained model; called once the images are there.
      output: path of the CSV file.
      image_dir: folder or zip of images, or None to read `split` of the run's data set.
      split: name of a split.
      data_dir: where the data set lies; default: as in training.

    Returns:
      Lines to print: agreement with the labels, if there are any.
    """
    if image_dir:
        image_set = datasets.load("folder", "train", run.image_shape, image_dir)
    else:
        image_set = datasets.load(run.dataset, split, run.image_shape, data_dir or run.data_dir)
    model = load_model()
    count = len(image_set.images)
    answers = [model.encode(datasets.to_float(image_set.images[start : start + 4096])) for start in range(0, count, 4096)]
    columns = model.latents.describe(np.concatenate(answers))

    table = {"image": image_set.files or range(count)}
    if image_set.labels is not None:
        table["label"] = [image_set.label_names[label] for label in image_set.labels]
    table |= {name: [f"{value:.4f}" if isinstance(value, float) else value for value in values.tolist()] for name, values in columns.items()}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    try:
        runs.write_atomically(pathlib.Path(output), text.getvalue())
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror}; give another --output.") from None
    return [_agreement(code.name, columns[code.name], image_set) for code in model.latents.codes if code.kind == "categorical" and image_set.labels is not None]


def _agreement(name, categories, image_set):
    from keras_infogan.metrics.clustering_accuracy import clustering_accuracy, match_categories

    accuracy, matches = clustering_accuracy(image_set.labels, categories), match_categories(image_set.labels, categories)
    listed = ", ".join(f"{category}={image_set.label_names[label]}" for category, label in sorted(matches.items()))
    return f"{name}: {accuracy:.2%} of {len(categories):,} images agree with their label after matching categories to labels ({listed})"


def define_flags():
    model_source.define_flags("recognizer.onnx")
    flags.DEFINE_string("images", None, "a folder or zip of images to read.")
    flags.DEFINE_string("split", None, "a split of the run's own data set instead, for example test.")
    flags.DEFINE_string("data_dir", None, "where the data set lies now, if not where it was trained from.")
    flags.DEFINE_string("output", "codes.csv", "the table to write.")


def main():
    run, load = model_source.chosen(needs=("recognizer",))
    if bool(FLAGS.images) == bool(FLAGS.split):
        raise UserError("which images? Give either --images=FOLDER or --split=NAME, for example --split=test.")
    if not pathlib.Path(FLAGS.output).absolute().parent.is_dir():
        raise UserError(f"the directory of --output={FLAGS.output} does not exist; create it first.")
    for line in encode(run, load, FLAGS.output, config.user_path(FLAGS.images), FLAGS.split, config.user_path(FLAGS.data_dir)):
        print(line)
    print(FLAGS.output)
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
