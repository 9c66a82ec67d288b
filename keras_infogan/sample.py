"""Draws pictures from a trained run: python -m keras_infogan.sample --run_dir=runs/mnist-infogan-1

Or, without TensorFlow, from an exported generator:

    python -m keras_infogan.sample --onnx=runs/mnist-infogan-1/export/generator.onnx

Writes to --output_dir (default: pictures/ in the run directory, or beside the generator):
    samples.png            a grid of samples from the prior, ten to a row
    traversal_<code>.png   one picture per code: that code moves along the columns (a categorical
                           code: one column per category; a continuous one: -2 to 2, the trained
                           range marked), everything else is fixed along a row
    traversals.gif         the same, moving
    interpolation.png      of a model without categories: each row goes from one draw of all
                           latents to another

The same seed gives the same pictures. About 10 seconds on two CPU cores; 2 of an
exported generator.
"""

import io

from absl import flags

from keras_infogan import config, files, images, model_source

FLAGS = flags.FLAGS


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
    if all(code.continuous for code in spec.codes):
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
    flags.DEFINE_integer(
        "num", 100, "number of samples in the grid.", lower_bound=1, upper_bound=10_000
    )
    config.rename_flag("count", "num")
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
    run, load = model_source.chosen(needs=("generate",))
    output_dir = files.output_directory(
        config.user_path(FLAGS.output_dir) or run.directory / "pictures"
    )
    for path in write_pictures(
        load(), output_dir, FLAGS.seed, FLAGS.num, FLAGS.rows, FLAGS.columns
    ):
        print(path)
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
