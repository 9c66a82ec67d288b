"""Draws pictures from a trained run: python -m keras_infogan.sample --run_dir=runs/mnist-infogan-1

Or, without TensorFlow, from an exported generator: python -m keras_infogan.sample --onnx=runs/mnist-infogan-1/export/generator.onnx

Writes to --output_dir (default: pictures/ in the run directory, or beside the generator):
    samples.png            a grid of samples from the prior, ten to a row
    traversal_<code>.png   one picture per code: that code moves along the columns (a categorical code: one column per category; a continuous one: -2 to 2, the
                           trained range marked), everything else is fixed along a row
    traversals.gif         the same, moving

The same seed gives the same pictures. About 10 seconds on two CPU cores; 2 of an exported generator.
"""

import io

from absl import flags

from keras_infogan import config, images, model_source, runs

FLAGS = flags.FLAGS


def write_pictures(model, output_dir, seed, count, rows, columns):
    """Draws samples and traversals of a trained model into `output_dir`, a directory.

    Returns:
      The paths written.
    """
    pictures = {"samples.png": images.grid(model.sample(count, seed), min(count, 10))}
    for name, picture in images.traversal_pictures(model.generate, model.latents, rows, seed, columns):
        pictures[f"traversal_{name}.png"] = picture
    first, *others = images.traversal_animation(model.generate, model.latents, rows, seed)
    for name, picture in {**pictures, "traversals.gif": first}.items():
        data = io.BytesIO()
        if name.endswith(".gif"):
            picture.save(data, "GIF", save_all=True, append_images=others, duration=120, loop=0)
        else:
            picture.save(data, "PNG")
        runs.write_atomically(output_dir / name, data.getvalue())
    return [output_dir / name for name in [*pictures, "traversals.gif"]]


def define_flags():
    model_source.define_flags("generator.onnx")
    flags.DEFINE_string("output_dir", None, "where the pictures go; default: pictures/ in the run directory, or beside the generator.")
    flags.DEFINE_integer("seed", 0, "seed of the latents.", lower_bound=0)
    flags.DEFINE_integer("count", 100, "number of samples in the grid.", lower_bound=1, upper_bound=10_000)
    flags.DEFINE_integer("rows", 10, "rows of a traversal: starting points.", lower_bound=1, upper_bound=100)
    flags.DEFINE_integer("columns", 9, "columns of a continuous code's traversal, from -2 to 2.", lower_bound=3, upper_bound=101)


def main():
    run, load = model_source.chosen(needs=("generator",))
    output_dir = runs.output_directory(config.user_path(FLAGS.output_dir) or run.directory / "pictures")
    for path in write_pictures(load(), output_dir, FLAGS.seed, FLAGS.count, FLAGS.rows, FLAGS.columns):
        print(path)
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
