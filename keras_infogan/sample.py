"""Draws pictures from a trained run: python -m keras_infogan.sample --run_dir=runs/mnist-infogan-1

Or, without TensorFlow, from an exported generator:

    python -m keras_infogan.sample --onnx=runs/mnist-infogan-1/export/generator.onnx

Writes to --output_dir (default: pictures/ in the run directory, or beside the generator):
    samples.png            a grid of samples from the prior, ten to a row
    traversal_<code>.png   one picture per code: that code moves along the columns (a categorical
                           code: one column per category; a continuous one: -2 to 2, the trained
                           range marked), everything else is fixed along a row
    traversals.gif         the same, moving
    interpolation.png      of a model without categories, unless its noise picks pixels one by one:
                           each row goes from one draw of all latents to another

Or single images, for other programs:

    python -m keras_infogan.sample --run_dir=runs/mnist-infogan-1 --format=png --num=10000

    samples/0000000.png, ...   with --format=png
    samples.npz                with --format=npz: `images`, uint8 (num, height, width, channels)
    samples.csv                the codes of each; in samples.npz an array per code, code_<name>

Of a model that makes pixel by pixel also, of your own images:

    python -m keras_infogan.sample --run_dir=runs/mnist-pixelcnn-1 --complete=my_digits

    completions.png        a row for each of the first images: it, its upper half, and what the
                           model puts below that, several times

The same seed gives the same images. The pictures take about 10 seconds on two CPU cores; 2 of an
exported generator.
"""

import csv
import io

import numpy as np
from absl import flags
from PIL import Image
from tqdm import tqdm

from keras_infogan import config, datasets, files, framing, images, model_source, named
from keras_infogan.config import UserError

FLAGS = flags.FLAGS
_MOST_IN_A_GRID = 10_000
_COMPLETIONS = 6
# Images that are in memory at a time.
_AT_A_TIME = 1000


def write_pictures(model, output_dir, seed, count, rows, columns):
    """Draws samples, traversals and interpolations of a trained model into
    `output_dir`, a directory.

    Returns:
      The paths written.
    """
    spec = model.latent_spec
    pictures = {"samples.png": images.grid(model.sample(count, seed), min(count, 10))}
    for name, picture in images.traversal_pictures(model.generate, spec, rows, seed, columns):
        pictures[f"traversal_{name}.png"] = picture
    if all(code.continuous for code in spec.codes) and not spec.noise.picks_pixels:
        pictures["interpolation.png"] = images.interpolation(
            model.generate, spec, rows, seed, columns
        )
    encoded = {name: _encoded([picture], "PNG") for name, picture in pictures.items()}
    if spec.codes:
        encoded["traversals.gif"] = _encoded(
            images.traversal_animation(model.generate, spec, rows, seed), "GIF"
        )
    for name, data in encoded.items():
        files.write_atomically(output_dir / name, data)
    return [output_dir / name for name in encoded]


def write_completions(model, output_dir, image_set, seed, rows):
    """Writes a picture of the first `rows` images of an ImageSet, their lower halves drawn anew.

    Returns:
      The paths of what was written.
    """
    shown = datasets.to_float(np.asarray(image_set.images[:rows]))
    if model.likelihood["binary"]:
        shown = datasets.binarized(shown, seed)
    known = np.zeros((*shown.shape[:-1], 1), np.float32)
    known[:, : shown.shape[1] // 2] = 1
    repeated = (array.repeat(_COMPLETIONS, axis=0) for array in (shown, known))
    completed = model.complete(*repeated, seed)
    picture = images.completions(
        shown, known, completed.reshape(len(shown), _COMPLETIONS, *shown.shape[1:])
    )
    path = output_dir / "completions.png"
    files.write_atomically(path, images.png(picture))
    return [path]


def write_images(model, output_dir, seed, count, format_):
    """Writes samples of a trained model one by one, with their codes.

    Args:
      model: Trained.
      output_dir: a directory.
      seed: of the latents.
      count: number of images.
      format_: "png", or "npz" for all in one file.

    Returns:
      The paths of what was written.
    """
    folder = output_dir / "samples"
    if format_ == "png" and folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; give another --output_dir, or empty it.")
    latents = model.latent_spec.sample(count, seed)
    codes, arrays = model.latent_spec.values(latents), []
    if format_ == "png":
        folder.mkdir(exist_ok=True)
    with tqdm(total=count, desc="generating", unit="image") as bar:
        for start in range(0, count, _AT_A_TIME):
            generated = model.generate(latents[start : start + _AT_A_TIME])
            pixels = named.to_uint8((generated + 1) / 2)
            if format_ == "npz":
                arrays.append(pixels)
            else:
                for index, image in enumerate(pixels, start):
                    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
                    picture.save(folder / f"{index:07d}.png")
            bar.update(len(pixels))
    data = io.BytesIO()
    if format_ == "npz":
        named_codes = {f"code_{name}": values for name, values in codes.items()}
        np.savez_compressed(data, images=np.concatenate(arrays), **named_codes)
        path = output_dir / "samples.npz"
        files.write_atomically(path, data.getvalue())
        return [path]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", *codes])
    names = [f"samples/{index:07d}.png" for index in range(count)]
    writer.writerows(zip(names, *(values.tolist() for values in codes.values()), strict=True))
    files.write_atomically(output_dir / "samples.csv", text.getvalue())
    return [folder, output_dir / "samples.csv"]


def _encoded(frames, format_):
    first, *others = frames
    moving = (
        {"save_all": True, "append_images": others, "duration": 120, "loop": 0} if others else {}
    )
    data = io.BytesIO()
    first.save(data, format_, **moving)
    return data.getvalue()


def define_flags():
    model_source.define_flags("generator.onnx")
    flags.DEFINE_string(
        "output_dir",
        None,
        "where the pictures go; default: pictures/ in the run directory, or beside the generator.",
    )
    flags.DEFINE_integer("seed", 0, "seed of the latents.", lower_bound=0)
    flags.DEFINE_integer("num", 100, "number of samples.", lower_bound=1, upper_bound=10_000_000)
    flags.DEFINE_enum(
        "format",
        "pictures",
        ("pictures", "png", "npz"),
        "pictures to look at (a grid of samples, traversals), or single images: a .png each, or "
        "all in one .npz.",
    )
    config.rename_flag("count", "num")
    config.refuse_flags(
        {"image_size": "is chosen in training: a run makes images of that size, and of no other"}
    )
    config.define_path(
        "complete",
        None,
        "a folder or zip of images to complete instead: the upper half stays, and the lower one is "
        "drawn, by a model that makes pixel by pixel.",
    )
    framing.define_limit()
    flags.DEFINE_integer(
        "rows", 10, "rows of a traversal: starting points.", lower_bound=1, upper_bound=100
    )
    flags.DEFINE_integer(
        "columns",
        9,
        "columns of a continuous code's traversal, from -2 to 2.",
        lower_bound=3,
        upper_bound=101,
    )


def main():
    if FLAGS.format == "pictures" and FLAGS.num > _MOST_IN_A_GRID:
        raise UserError(
            f"a grid holds {_MOST_IN_A_GRID:,} samples at most, not --num={FLAGS.num}; give "
            "--format=png or --format=npz for single images."
        )
    framing.apply_limit()
    run, load = model_source.chosen(needs=("complete",) if FLAGS.complete else ("generate",))
    output_dir = files.output_directory(
        config.user_path(FLAGS.output_dir) or run.directory / "pictures"
    )
    if FLAGS.complete:
        # Before TensorFlow loads.
        image_set = datasets.load("folder", "train", run.image_shape, FLAGS.complete, run.framing)
        written = write_completions(load(), output_dir, image_set, FLAGS.seed, FLAGS.rows)
        print(*written, sep="\n")
        return 0
    model = load()
    if FLAGS.format == "pictures":
        written = write_pictures(
            model, output_dir, FLAGS.seed, FLAGS.num, FLAGS.rows, FLAGS.columns
        )
    else:
        written = write_images(model, output_dir, FLAGS.seed, FLAGS.num, FLAGS.format)
    print(*written, sep="\n")
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
