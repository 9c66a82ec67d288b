"""Looks inside a generator (GAN Dissection, Bau et al. 2018, arXiv 1811.10597):

    python -m keras_infogan.dissect --run_dir=runs/mnist-dcgan-1

Holds the units of a layer against parts of the images (strokes and holes of digits, the shape of a
sprite, colors of a face), beside the parts of other images; finds for each part the units that
cause it, switches them off and on beside as many random ones; finds units behind artifacts. Writes
to --output_dir (default: dissection/ in the run directory):
    dissection.html   units with the images that they are most active in, every intervention's
                      before and after
    units.json        all numbers

    python -m keras_infogan.dissect --run_dir=runs/mnist-dcgan-1 --layer=activation_2 --num=2000

MNIST takes about 5 minutes on two CPU cores.
"""

import json
import shlex
import sys

from absl import flags

from keras_infogan import (
    config,
    dissection,
    dissection_page,
    files,
    framing,
    loaded,
    runs,
    segments,
)
from keras_infogan.config import UserError

FLAGS = flags.FLAGS


def define_flags():
    config.define_path("run_dir", None, "the run directory that keras_infogan.train wrote.")
    config.define_path(
        "output_dir", None, "where the page goes; default: dissection/ in the run directory."
    )
    flags.DEFINE_string(
        "layer", None, "layer to look into; default: the last with maps before the image."
    )
    flags.DEFINE_enum(
        "segments", None, list(segments.KINDS), "what images consist of; default: by the data set."
    )
    config.define_path(
        "masks",
        None,
        "a folder of label images (PNG, a number per pixel) called as the images of the run's own "
        "folder: generated images are cut as they are.",
    )
    flags.DEFINE_integer(
        "units",
        None,
        "units to switch off and on together; default: 10, or a quarter of a small layer's.",
        lower_bound=1,
    )
    flags.DEFINE_list(
        "artifact_units", None, "units behind artifacts, chosen by eye; default: looked for."
    )
    flags.DEFINE_bool("artifacts", True, "look for units behind artifacts; it reads the data set.")
    flags.DEFINE_string(
        "data_dir", None, "where the data set lies now, if not where it was trained from."
    )
    flags.DEFINE_integer("num", 1000, "images to generate for each measurement.", lower_bound=100)
    flags.DEFINE_integer("seed", 0, "seed of all random draws.", lower_bound=0)
    framing.define_limit()


def main():
    framing.apply_limit()
    run = runs.check_trained(FLAGS.run_dir)
    chosen = FLAGS.artifact_units or []
    if not all(unit.isdecimal() for unit in chosen):
        raise UserError(
            "--artifact_units: expected numbers of units such as 3,17, received "
            f"{','.join(chosen)}."
        )
    kind = FLAGS.segments or segments.kind_of(run.dataset, run.image_shape[-1])
    segments.check(kind, run.image_shape[-1])
    data_dir = config.user_path(FLAGS.data_dir) or run.data_dir
    segment = dissection.segmenter_of_labels(run, FLAGS.masks, data_dir) if FLAGS.masks else None
    output_dir = files.output_directory(
        config.user_path(FLAGS.output_dir) or run.directory / "dissection"
    )
    model = loaded.load_run(FLAGS.run_dir)[1]
    opened = dissection.OpenGenerator(model, FLAGS.layer)
    chosen = [int(unit) for unit in chosen]
    num_units = FLAGS.units or max(1, min(10, opened.shape[-1] // 4))
    opened.check_units(num_units, chosen)
    segment = segment or segments.segmenter(kind, model.sample(200, FLAGS.seed))
    names, own, shuffled = dissection.agreement(opened, segment, FLAGS.num, FLAGS.seed)
    found = dissection.effects(opened, segment, num_units, FLAGS.num, FLAGS.seed)
    result = {
        "command": shlex.join(["python", "-m", "keras_infogan.dissect", *sys.argv[1:]]),
        "step": model.step,
        "kind": "label images" if FLAGS.masks else kind,
        "num_images": FLAGS.num,
        "num_units": num_units,
        **dissection_page.summary(opened, names, own, shuffled, *found),
        "artifacts": dissection.artifacts_of_run(
            run, opened, num_units, FLAGS.num, FLAGS.seed, chosen, data_dir
        )
        if FLAGS.artifacts
        else {"skipped": "it was not asked for."},
    }
    page = dissection_page.html(run, result, opened, own, names, found[0], FLAGS.seed)
    written = {
        "units.json": json.dumps(result, indent=1, allow_nan=False) + "\n",
        "dissection.html": page,
    }
    for name, text in written.items():
        files.write_atomically(output_dir / name, text)
        print(output_dir / name)


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
