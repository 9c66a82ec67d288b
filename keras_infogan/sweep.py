"""Trains and evaluates many runs:

    python -m keras_infogan.sweep --dataset=mnist --seeds=0:10 --sweep_dir=sweeps/mnist

Every setting of the model takes several values, separated by commas (by semicolons where a value
may hold a comma, as --codes does): each combination is run with each seed.

    python -m keras_infogan.sweep --seeds=0:5 --mutual_information_weight=0.1,1 \\
        --sweep_dir=sweeps/weight
    python -m keras_infogan.sweep --dataset=mnist --seeds=0:8 --devices=GPU:0,GPU:1 \\
        --sweep_dir=sweeps/mnist

With --ray=HOST:PORT they run on the nodes of a Ray cluster (docs/scale.md).

Of several models, separated by commas, each is trained with the data set's preset for it; the
settings that can be given are those that all of them have:

    python -m keras_infogan.sweep --model=infogan,vae,bigan --dataset=mnist --steps=5000 \\
        --seeds=0:3 --sweep_dir=sweeps/models

The same command again goes on where it stopped: finished runs are kept, begun ones continue. A run
that fails is noted, and the others go on. Ctrl-C stops the runs under way, which save first; a
second one kills them. Each run has a directory of its own in the sweep's, and its output in logs/.
At the end, and after every run, the sweep's directory holds the table of all runs with mean,
standard deviation, best and worst: summary.json, summary.csv, summary.md, summary.png to look at,
and summary.html, with pictures of all configurations side by side. Where nobody has labels,
--centrality chooses the run that the others agree with most.
"""

import contextlib
import dataclasses
import itertools
import pathlib
import subprocess
import sys

from absl import flags

from keras_infogan import config, distribution, files, metrics, models, runs, sweeps, train
from keras_infogan.config import UserError

FLAGS = flags.FLAGS
_MOST_SEEDS = 10_000


def requested_runs(directory):
    """Returns the runs that the flags ask for, a list of sweeps.Job, each checked as far as it can
    be before TensorFlow loads.
    """
    fields = {field.name: field for field in _swept_settings()}
    grid = {
        name: _values(field, FLAGS[name].value)
        for name, field in fields.items()
        if FLAGS[name].value is not None
    }
    varied = {name for name, values in grid.items() if len(values) > 1}
    # Where runs run they may start in another directory: paths are absolute, here and below.
    given = {name: FLAGS[name].value for name in train.DATA_FLAGS}
    given["data_dir"] = config.user_path(FLAGS.data_dir)
    data = tuple(f"--{name}={value}" for name, value in given.items() if value is not None)
    jobs, seeds, chosen = [], parse_seeds(FLAGS.seeds), parse_models(FLAGS.model)
    for model, settings in itertools.product(chosen, sweeps.combinations(grid)):
        label = ", ".join(
            [model] * (len(chosen) > 1)
            + [f"{name}={settings[name]}" for name in settings if name in varied]
        )
        first = train.requested_run(
            model,
            {**settings, "seed": seeds[0]},
            directory / sweeps.run_name(label, seeds[0]),
        )
        for name in settings.keys() & first.settings.places:
            settings[name] = getattr(first.settings, name)
        for seed in seeds:
            name = sweeps.run_name(label, seed)
            run = dataclasses.replace(
                first,
                directory=directory / name,
                settings=dataclasses.replace(first.settings, seed=seed),
            )
            # One that cannot be read is noted when its turn comes, and keeps no other back.
            with contextlib.suppress(runs.UnreadableError):
                runs.check(run)
            jobs.append(sweeps.Job(name, label or "all runs", run, settings, data))
    if len({job.name for job in jobs}) < len(jobs):
        raise UserError(
            "two runs would have the same directory name; sweep over fewer settings at once."
        )
    return jobs


def _values(field, text):
    """Returns the values of one setting in a flag's text, of the setting's type."""
    # A free text, such as codes and layers, may hold commas itself.
    separator = ";" if field.type is str and not field.metadata["choices"] else ","
    parser = (
        flags.BooleanParser()
        if field.type is bool
        else {int: flags.IntegerParser(), float: flags.FloatParser()}.get(
            field.type, flags.ArgumentParser()
        )
    )
    try:
        values = [parser.parse(part.strip()) for part in text.split(separator)]
    except (ValueError, TypeError):
        raise UserError(
            f"--{field.name}: expected {field.type.__name__} values separated by {separator!r}, "
            f"received {text!r}."
        ) from None
    if len(set(values)) < len(values):
        raise UserError(f"--{field.name}={text} names a value twice; give each once.")
    return values


def _swept_settings():
    """Returns the settings that take several values, dataclass fields."""
    return [field for field in train.shared_settings() if field.name != "seed"]


def parse_models(text):
    """Returns the names of models in a text such as "infogan,vae"."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in models.MODELS:
            raise UserError(
                f"--model: there is no model {name!r}{config.did_you_mean(name, models.MODELS)}; "
                f"the models are {', '.join(models.MODELS)}."
            )
    if len(set(names)) < len(names):
        raise UserError(f"--model={text} names a model twice; give each once.")
    return names


def parse_seeds(text):
    """Returns the seeds in a text such as "0:10" (0 to 9), "3" or "1,5,7:9"."""
    ranges = []
    try:
        for part in text.split(","):
            first, colon, end = part.partition(":")
            ranges.append(range(int(first), int(end) if colon else int(first) + 1))
    except ValueError:
        raise UserError(
            f"--seeds: expected numbers and ranges such as 0:10 or 1,5,7:9, received {text!r}."
        ) from None
    if sum(max(0, part.stop - part.start) for part in ranges) > _MOST_SEEDS:
        raise UserError(f"--seeds={text} names more than {_MOST_SEEDS:,} seeds; give fewer.")
    seeds = [seed for part in ranges for seed in part]
    if not seeds or len(set(seeds)) < len(seeds):
        raise UserError(
            f"--seeds={text} names {'a seed twice' if seeds else 'no seed'}; 0:10 is the ten "
            "seeds from 0 to 9."
        )
    return seeds


def define_flags():
    train.define_data_flags()
    flags.DEFINE_string(
        "model",
        "infogan",
        "the model, or several, separated by commas; the flags of settings are those below, which "
        f"all of them have: {', '.join(models.MODELS)}.",
    )
    config.define_path("sweep_dir", None, "where all runs and the summary are written.")
    flags.DEFINE_string("seeds", "0:5", "seeds, for example 0:10 (0 to 9) or 1,5,7:9.")
    flags.DEFINE_string(
        "metrics", "all", "scores of each run, as keras_infogan.evaluate takes them."
    )
    flags.DEFINE_string(
        "devices",
        None,
        "run one at a time on each of these: GPU:0,GPU:1, or CPU:0,CPU:1 for a core each; "
        "default: one after another on all there is.",
    )
    flags.DEFINE_bool(
        "centrality",
        False,
        "choose a run by how far the others agree with it (keras_infogan.centrality), where nobody "
        "has labels.",
    )
    flags.DEFINE_string(
        "ray",
        None,
        "run them on the nodes of the Ray cluster at this HOST:PORT, which all see --sweep_dir; "
        "local: on one that is started here.",
    )
    flags.DEFINE_float("cpus_per_run", 1, "CPUs that --ray keeps for each run.", lower_bound=0.01)
    flags.DEFINE_float(
        "gpus_per_run",
        0,
        "GPUs that --ray keeps for each run: several runs share one with 0.5, and with 0 they "
        "train on CPUs.",
        lower_bound=0,
    )
    for field in _swept_settings():
        flags.DEFINE_string(
            field.name, None, f"{config.meaning(field)}; several values make several runs."
        )
    train.refuse_other_settings()


def _data_places(jobs):
    """Returns the paths from which runs read data that is there; other data they download."""
    said = set()
    for run in (job.run for job in jobs):
        said |= {run.data_dir, *(getattr(run.settings, name) for name in run.settings.places)}
    return sorted(path for path in said if path and pathlib.Path(path).exists())


@contextlib.contextmanager
def _place(devices, jobs, directory):
    """Gives the place where runs run."""
    if not FLAGS.ray:
        with sweeps.Devices(devices) as place:
            yield place
        return
    from keras_infogan import ray_cluster

    with ray_cluster.Cluster(
        *(FLAGS.ray, FLAGS.cpus_per_run, FLAGS.gpus_per_run),
        *(directory, "--sweep_dir", _data_places(jobs)),
    ) as cluster:
        yield sweeps.Nodes(cluster, FLAGS.cpus_per_run)


def _compare(directory, place):
    """Asks which run the others agree with most; returns whether there is an answer."""
    if not FLAGS.ray:
        # A process of its own: this one has no TensorFlow loaded.
        command = ["-m", "keras_infogan.centrality", f"--sweep_dir={directory}"]
        return not subprocess.run([sys.executable, *command], check=False).returncode
    from keras_infogan import centrality

    try:
        centrality.compare(directory, each=place.map)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return False
    return True


def main():
    if not FLAGS.sweep_dir:
        raise UserError("where to? Give --sweep_dir=DIR, the directory for all runs of the sweep.")
    if distribution.cluster().num_workers > 1:
        raise UserError("a sweep trains each run on one machine; unset TF_CONFIG.")
    metrics.chosen(FLAGS.metrics)
    devices = sweeps.parse_devices(FLAGS.devices)
    if FLAGS.ray and FLAGS.devices:
        raise UserError("give --devices or --ray, not both: Ray chooses the devices of its nodes.")
    for name in ("cpus_per_run", "gpus_per_run"):
        if FLAGS[name].present and not FLAGS.ray:
            raise UserError(f"--{name} is what --ray keeps for each run; give --ray too.")
        number = FLAGS[name].value or 0
        if number > 1 and number % 1:
            raise UserError(f"--{name} must be a whole number, or below 1 to share one.")
    directory = pathlib.Path(config.absolute_path(FLAGS.sweep_dir))
    jobs = requested_runs(directory)
    compared = True
    with (
        files.locked_directory(directory, "--sweep_dir", "sweeping"),
        _place(devices, jobs, directory) as place,
    ):
        failed = sweeps.run_all(jobs, directory, place, FLAGS.metrics)
        if FLAGS.centrality:
            compared = _compare(directory, place)
            sweeps.summarize(jobs, directory, FLAGS.metrics, failed)
    print((directory / "summary.md").read_text())
    print(directory)
    if failed:
        print(
            f"{len(failed)} of {len(jobs)} runs failed: {', '.join(failed)}; their output is in "
            f"{directory / 'logs'}; the same command tries them again.",
            file=sys.stderr,
        )
    return 0 if compared and not failed else 1


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
