"""Draws pictures from a trained run: python -m keras_infogan.sample --run_dir=runs/mnist-infogan-1

Writes to --output_dir (default: <run_dir>/pictures):
    samples.png            a grid of samples from the prior, ten to a row
    traversal_<code>.png   one picture per code: that code moves along the columns (a categorical code: one column per category; a continuous one: -2 to 2, the
                           trained range marked), everything else is fixed along a row
    traversals.gif         the same, moving

The same seed gives the same pictures. About 10 seconds on two CPU cores.
"""

import io
import pathlib

from absl import flags

from keras_infogan import config, runs

FLAGS = flags.FLAGS


def write_pictures(run_dir, output_dir, seed, count, rows, columns):
    """Draws samples and traversals of a run into `output_dir`.

    Returns:
      The paths written.
    """
    output_dir = runs.output_directory(output_dir)
    _, model = runs.load(run_dir)

    from keras_infogan import images

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
    flags.DEFINE_string("run_dir", None, "the run directory that keras_infogan.train wrote.")
    flags.DEFINE_string("output_dir", None, "where the pictures go; default: <run_dir>/pictures.")
    flags.DEFINE_integer("seed", 0, "seed of the latents.", lower_bound=0)
    flags.DEFINE_integer("count", 100, "number of samples in the grid.", lower_bound=1, upper_bound=10_000)
    flags.DEFINE_integer("rows", 10, "rows of a traversal: starting points.", lower_bound=1, upper_bound=100)
    flags.DEFINE_integer("columns", 9, "columns of a continuous code's traversal, from -2 to 2.", lower_bound=3, upper_bound=101)


def main():
    runs.check_trained(FLAGS.run_dir)
    output_dir = config.user_path(FLAGS.output_dir) or pathlib.Path(FLAGS.run_dir) / "pictures"
    for path in write_pictures(FLAGS.run_dir, output_dir, FLAGS.seed, FLAGS.count, FLAGS.rows, FLAGS.columns):
        print(path)
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
