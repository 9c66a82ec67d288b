"""Many runs in one directory: each is trained and evaluated by the commands a user would give, and
all are summed up in one table.

    <sweep>/<run name>/            run directories
    <sweep>/logs/<run name>.log    what the commands printed
    <sweep>/logs/<run name>.json   how long training took
    <sweep>/summary.json           every run, and statistics per configuration; summary.csv and
                                   summary.md, the same; summary.png, to look at; summary.html,
                                   with pictures
"""

import concurrent.futures
import contextlib
import csv
import dataclasses
import hashlib
import io
import itertools
import json
import os
import pathlib
import queue
import re
import signal
import statistics
import subprocess
import sys
import time

from tqdm import tqdm

from keras_infogan import distribution, files, metrics, runs
from keras_infogan.config import UserError
from keras_infogan.untrusted import cell, has_form, markdown, parse_json, printable

# Written by keras_infogan.centrality.
CENTRALITY = "centrality.json"
_MOST_PANELS = 9
# Kinds of alarms of runs that are no choice.
_COLLAPSED = {"uneven_categories", "unused_categories", "collapsed_categories"}
_CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
# What a summary's picture shows first.
_HEADLINES = (
    *(
        "clustering_accuracy",
        "normalized_mutual_information",
        "consistency",
        "mutual_information",
        "factor_vae_score",
        "mutual_information_gap",
        "dci",
        "modularity",
    ),
    *(
        "explicitness",
        "density_coverage",
        "frechet_distance",
        "k_means_accuracy",
        "nearest_neighbor_accuracy",
        "reconstruction_error",
        "log_likelihood",
        "effect",
        "isolation",
    ),
)


@dataclasses.dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Attributes:
      name: of its directory.
      label: how it differs from the other runs of the sweep, but for the seed; "all
        runs" if it does not.
      run: the Run.
      settings: what the command line says of it besides data, preset and seed, a dict.
      data: flags for data and preset, as the command line has them.
    """

    name: str
    label: str
    run: runs.Run
    settings: dict
    data: tuple

    def commands(self, metric_names):
        """Returns the command lines, without the interpreter, that train and evaluate it."""
        settings = [f"--{name}={value}" for name, value in self.settings.items()]
        directory = f"--run_dir={self.run.directory}"
        yield [
            "keras_infogan.train",
            f"--model={self.run.model}",
            *self.data,
            directory,
            *settings,
            f"--seed={self.run.settings.seed}",
        ]
        yield ["keras_infogan.evaluate", directory, f"--metrics={metric_names}"]

    def is_finished(self, metric_names):
        """Whether the run is trained to its last step and every score was tried on it."""
        content = self.metrics()
        if not content or content["evaluated"]["step"] < self.run.settings.steps:
            return False
        return set(metrics.chosen(metric_names)) <= {*content["protocols"], *content["skipped"]}

    def metrics(self):
        """Returns the content of the run's metrics.json, None if there is none that can be read."""
        try:
            return runs.read_metrics(self.run)
        except OSError:  # which the run's own command will say
            return None

    def pictures(self):
        """Returns what the run's commands drew last, a dict from what is shown to PNG bytes."""
        names = ("reconstructions", "interpolations")
        shown = [(name, self.run.directory / f"{name}.png") for name in names]
        shown += [("samples", path) for path in sorted(self.run.samples.glob("step_*.png"))[-1:]]
        return {name: path.read_bytes() for name, path in shown if path.is_file()}

    @property
    def step(self):
        """The last step in the run's log, or 0."""
        with contextlib.suppress(OSError):
            for line in reversed(runs.read_log(self.run, last_bytes=4096)):
                return line["step"]
        return 0


def combinations(grid):
    """Returns every combination of settings from a dict of lists, a list of dicts."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def run_name(label, seed):
    """Returns the name of a run's directory."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", label)
    if len(name) > 100:  # longer names than file systems take
        name = f"{name[:80]}_{hashlib.sha256(label.encode()).hexdigest()[:8]}"
    return "-".join([name] * bool(name) + [f"seed_{seed}"])


def parse_devices(text):
    """Returns devices such as ("GPU", 1) from a text such as "GPU:0,GPU:1"; [None] for None: one
    run at a time, on all there is. A CPU's number is a core's.
    """
    devices = distribution.parse_devices(text)
    if devices is None:
        return [None]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    for kind, index in devices:
        if kind == "CPU" and index not in _CORES:
            raise UserError(
                f"--devices: there is no CPU core {index}; the cores are "
                f"{', '.join(map(str, sorted(_CORES))) or 'not known here'}."
            )
        if kind == "GPU" and visible is not None and index >= len(visible.split(",")):
            raise UserError(
                f"--devices: GPU:{index} is not among those that "
                f"CUDA_VISIBLE_DEVICES={visible} leaves visible."
            )
    return devices


class Devices:
    """Where runs run: on this machine, one at a time on each of `parse_devices`. (With --ray they
    run on `Nodes`.)
    """

    def __init__(self, devices):
        self._free, self._processes, self._stopped = queue.SimpleQueue(), set(), False
        for device in devices:
            self._free.put(device)
        self._pool = concurrent.futures.ThreadPoolExecutor(len(devices))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._pool.shutdown()

    def start(self, job, directory, metric_names):
        """Returns a concurrent.futures.Future of what `finish` returns."""
        return self._pool.submit(self._finish, job, directory, metric_names)

    def result(self, future):
        """Returns what went wrong in a run that has ended, or None."""
        return future.result()

    def stop(self, killing):
        """Lets no other run begin, and those under way save and end; or kills them."""
        self._stopped = True
        for process in list(self._processes):
            with contextlib.suppress(ProcessLookupError):
                if killing:
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.send_signal(signal.SIGTERM)

    def _finish(self, job, directory, metric_names):
        device = self._free.get()

        def run(command, output):
            # In a session of its own: Ctrl-C reaches the sweep alone, which passes it on once.
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                env=_environment(device),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._processes.add(process)
            if self._stopped:
                process.send_signal(signal.SIGTERM)  # the stop came while it started
            status = process.wait()
            self._processes.discard(process)
            return status

        try:
            return finish(job, directory, metric_names, run, lambda: self._stopped)
        finally:
            self._free.put(device)


class Nodes:
    """Where runs run: on the nodes of a ray_cluster.Cluster. Each is a task, which starts again on
    another node where its own dies, and goes on from its newest checkpoint.
    """

    def __init__(self, cluster, cpus):
        """
        Args:
          cluster: the ray_cluster.Cluster.
          cpus: number that each task takes.
        """
        self._cluster = cluster
        # As many threads as CPUs; sums of floats depend on it in their last bits.
        threads = str(max(1, int(cpus)))
        self._environment = {
            "TF_NUM_INTRAOP_THREADS": threads,
            "TF_NUM_INTEROP_THREADS": threads,
            # Ray chooses the GPU, of which another run may have a part.
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        }

    def start(self, job, directory, metric_names):
        return self._cluster.submit(
            job.name, _finish_on_node, job, directory, metric_names, self._environment
        )

    def result(self, future):
        error = future.exception()
        return future.result() if error is None else self._cluster.reason(error)

    def stop(self, killing):
        self._cluster.cancel(killing)

    def map(self, function, names):
        """Yields what a function returns of each name, computed by a task each.

        Raises:
          UserError: if a task has no result.
        """
        futures = [
            self._cluster.submit(name, _call_on_node, function, name, self._environment)
            for name in names
        ]
        try:
            for name, future in zip(names, futures, strict=True):
                if error := future.exception():
                    raise UserError(f"{name}: {self._cluster.reason(error)}")
                yield future.result()
        except BaseException:
            self._cluster.cancel(killing=False)
            raise


def _call_on_node(function, name, environment):
    """Calls a function in a task that has variables added to its environment."""
    os.environ.update(environment)
    return function(name)


def _finish_on_node(job, directory, metric_names, environment):
    """What a task does, with variables added to its processes' environment. A cancelled one is
    interrupted as by Ctrl-C.
    """

    def run(command, output):
        process = None
        try:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
            )
            # Python sees an interrupt only when it is back from waiting.
            while process.poll() is None:
                time.sleep(0.2)
            return process.returncode
        except KeyboardInterrupt:
            if process:
                process.terminate()
                process.wait()
            raise

    return finish(job, directory, metric_names, run, lambda: False)


def run_all(jobs, directory, place, metric_names):
    """Trains and evaluates what is not finished yet, and writes the summary after each run.

    Args:
      jobs: list of Job.
      directory: of the sweep.
      place: Devices or Nodes.
      metric_names: what each run is scored on, as `metrics.chosen` takes it.

    Returns:
      What went wrong, a dict from the names of failed runs to the last line that each printed.

    Raises:
      KeyboardInterrupt: on Ctrl-C or SIGTERM, after the runs under way have saved; a second Ctrl-C
        kills those that do not come to that.
    """
    (directory / "logs").mkdir(parents=True, exist_ok=True)
    unfinished = [job for job in jobs if not job.is_finished(metric_names)]
    print(f"{directory}: {len(jobs)} runs, {len(jobs) - len(unfinished)} of them finished already.")
    failed, stopped, told = {}, [], 0

    def stop(number, frame):
        killing = bool(stopped) and number == signal.SIGINT
        stopped.append(signal.SIGKILL if killing else signal.SIGTERM)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    total = sum(job.run.settings.steps for job in jobs)
    try:
        with tqdm(total=total, desc="sweep", unit="step") as bar:
            bar.update(sum(job.step for job in jobs))
            try:
                futures = {place.start(job, directory, metric_names): job for job in unfinished}
                while futures:
                    ready, _ = concurrent.futures.wait(
                        futures, timeout=1, return_when=concurrent.futures.FIRST_COMPLETED
                    )
                    # Not in the handler of the signal, which may come while anything is half done.
                    if len(stopped) > told:
                        if not told:
                            bar.write(
                                "Stopping: the runs under way save; Ctrl-C again kills them.",
                                file=sys.stderr,
                            )
                        told = len(stopped)
                        place.stop(signal.SIGKILL in stopped)
                    for future in ready:
                        job, problem = futures.pop(future), place.result(future)
                        if problem and not stopped:
                            failed[job.name] = problem
                        bar.write(printable(f"{job.name}: {problem or 'finished'}"))
                        summarize(jobs, directory, metric_names, failed)
                    bar.set_postfix_str(
                        f"{len(jobs) - len(futures)} of {len(jobs)} runs ended", refresh=False
                    )
                    bar.update(sum(job.step for job in jobs) - bar.n)
            except BaseException:
                # Otherwise they would go on to the last run before the error is seen.
                place.stop(killing=False)
                raise
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    for label, chosen in summarize(jobs, directory, metric_names, failed)["chosen"].items():
        if chosen:
            print(f"{label}: {_words(chosen)}")
    if stopped:
        ended = "killed" if signal.SIGKILL in stopped else "saved"
        print(f"The runs under way are {ended}; the same command continues.", file=sys.stderr)
        raise KeyboardInterrupt
    return failed


def finish(job, directory, metric_names, run, is_stopped):
    """Runs a job's commands, their output in its log.

    Args:
      job, directory, metric_names: see `run_all`.
      run: function (command line, file for its output) -> exit status.
      is_stopped: function () -> whether no other command is to begin.

    Returns:
      None, or the last line of what went wrong.
    """
    try:
        return _finish(job, directory, metric_names, run, is_stopped)
    except OSError as error:  # of this run alone
        return f"cannot read or write {error.filename}: {error.strerror}"


def _finish(job, directory, metric_names, run, is_stopped):
    log = directory / "logs" / f"{job.name}.log"
    log.touch()
    # A sweep that was killed leaves its runs under way to themselves; they end with their training.
    if files.is_locked(job.run.directory):
        print(f"{job.name} is being trained already; waiting for that.", file=sys.stderr)
    while not is_stopped() and files.is_locked(job.run.directory):
        time.sleep(1)
    for command in job.commands(metric_names):
        if is_stopped():
            return "stopped"
        start, began, step = log.stat().st_size, time.monotonic(), job.step
        with open(log, "a") as output:
            status = run([sys.executable, "-m", *command], output)
        if job.step > step:
            _note_time(log, time.monotonic() - began, job.step - step)
        # An evaluation in which no score could be had ends with an error too; the run is
        # finished all the same.
        if status and not job.is_finished(metric_names):
            return (
                _last_words(log.read_bytes()[start:].decode(errors="replace")) or f"status {status}"
            )
    return None


def _note_time(log, seconds, steps):
    """Adds to what training took, beside a run's log."""
    before = _time_taken(log) or {"seconds": 0.0, "steps": 0}
    taken = {"seconds": before["seconds"] + seconds, "steps": before["steps"] + steps}
    files.write_atomically(log.with_suffix(".json"), json.dumps(taken) + "\n")


def _time_taken(log):
    """Returns the seconds and steps of all training that a run's log tells of; None if it is not
    known.
    """
    with contextlib.suppress(OSError, ValueError):
        taken = parse_json(log.with_suffix(".json").read_bytes())
        if has_form(taken, {"seconds": float, "steps": int}) and taken["steps"] > 0:
            return taken
    return None


def _environment(device):
    """Returns the environment of processes on a device, and binds this thread, whose cores they
    inherit, to the device's core or to all.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {device[1]} if device and device[0] == "CPU" else _CORES)
    if not device:
        return os.environ
    kind, index = device
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return os.environ | {
        "CUDA_VISIBLE_DEVICES": ""
        if kind == "CPU"
        else visible.split(",")[index]
        if visible
        else str(index)
    }


def _last_words(text):
    """Returns the last error that a command printed, or else its last line."""
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or [""])[-1]


def finished(directory):
    """Returns the names of the finished runs of a sweep, by its summary; raises UserError if the
    directory holds none.
    """
    try:
        content = parse_json(files.read(directory / "summary.json"))
    except FileNotFoundError:
        raise UserError(
            f"{directory} is no sweep: it has no summary.json; give what keras_infogan.sweep wrote."
        ) from None
    except ValueError as error:
        raise UserError(
            f"{directory / 'summary.json'} is damaged ({error}); give the sweep's command again."
        ) from None
    if not has_form(content, {"runs": [{"name": str, "status": str}]}):
        raise UserError(f"{directory / 'summary.json'} is damaged; give the sweep's command again.")
    names = [row["name"] for row in content["runs"] if row["status"] == "finished"]
    # A run lies in the sweep's directory, whatever a file says.
    return [name for name in names if pathlib.PurePath(name).name == name]


def _centralities(directory):
    """Returns what keras_infogan.centrality found, a dict from the names of runs to numbers; empty
    before it was asked, or if the file is damaged.
    """
    with contextlib.suppress(FileNotFoundError, ValueError):
        content = parse_json(files.read(directory / CENTRALITY))
        if has_form(content, {"centrality": {str: float}}):
            return content["centrality"]
    return {}


def summarize(jobs, directory, metric_names, failed):
    """Writes summary.json, .csv, .md and .png of what is finished, and returns the
    content of the first.

    Args:
      jobs: all runs of the sweep.
      directory: of the sweep.
      metric_names: what each run was scored on, as `metrics.chosen` takes it.
      failed: dict from the name of a failed run to what went wrong.
    """
    rows, centrality = [], _centralities(directory)
    for job in jobs:
        is_finished = job.is_finished(metric_names)
        status = (
            "finished"
            if is_finished
            else f"failed: {failed[job.name]}"
            if job.name in failed
            else f"step {job.step} of {job.run.settings.steps}"
        )
        content = (job.metrics() if is_finished else None) or {"scores": {}, "alarms": []}
        row = {
            "name": job.name,
            "configuration": job.label,
            "seed": job.run.settings.seed,
            "settings": job.settings,
            "status": status,
            "centrality": centrality.get(job.name),
        }
        scores = {
            name: number
            for name, number in content["scores"].items()
            if name.split("/")[0] in metrics.METRICS
        }
        taken = _time_taken(directory / "logs" / f"{job.name}.log")
        row["seconds_per_step"] = taken and taken["seconds"] / taken["steps"]
        alarms = content["alarms"]
        row |= {"scores": scores, "alarms": [alarm["sentence"] for alarm in alarms]}
        rows.append(row | {"alarm_kinds": [alarm["kind"] for alarm in alarms]})
    configurations = {
        job.label: [row for row in rows if row["configuration"] == job.label] for job in jobs
    }
    tables = {label: _statistics(members) for label, members in configurations.items()}
    summary = {
        "dataset": jobs[0].run.dataset,
        "metrics": metric_names,
        "runs": rows,
        "configurations": tables,
        "chosen": {label: _chosen(members) for label, members in configurations.items()},
    }
    files.write_atomically(
        directory / "summary.json", json.dumps(summary, indent=1, allow_nan=False) + "\n"
    )
    files.write_atomically(directory / "summary.csv", _csv(rows, tables))
    sections = [
        _markdown(label, members, tables[label], summary["chosen"][label])
        for label, members in configurations.items()
    ]
    files.write_atomically(directory / "summary.md", "\n".join(sections))
    if any(row["scores"] for row in rows):
        files.write_atomically(directory / "summary.png", _picture(rows))
    files.write_atomically(directory / "summary.html", _page(jobs, configurations, tables))
    return summary


def _chosen(rows):
    """Returns which run of a configuration to take where nobody has labels, a dict of "run",
    "score" and "value"; None where no score without labels tells.

    That is the one that most others agree with, where this was asked for (`centrality`). Else it is
    the one whose categories are the most consistent, on average over its discrete codes,
    never one by a score that looks at labels. A recognizer that knows one category is perfectly
    consistent, and one that knows few has it easier: runs with uneven or unused ones are left out.
    """
    central = {row["name"]: row["centrality"] for row in rows if row["centrality"] is not None}
    # Of runs that finished since it was asked for nothing is known.
    if len(central) > 1 and len(central) == sum(row["status"] == "finished" for row in rows):
        best, value = max(central.items(), key=lambda item: item[1])
        return {"run": best, "score": "centrality", "value": value}
    values = {}
    for row in rows:
        if _COLLAPSED & set(row["alarm_kinds"]):
            continue
        of_codes = [
            value for name, value in row["scores"].items() if name.split("/")[0] == "consistency"
        ]
        if of_codes:
            values[row["name"]] = statistics.fmean(of_codes)
    if len(values) < 2:
        return None
    best, value = max(values.items(), key=lambda item: item[1])
    return {"run": best, "score": "consistency", "value": value}


def _words(chosen):
    return f"Chosen without labels: {chosen['run']}, by {chosen['score']} ({chosen['value']:.3f})."


def _scores_of(rows):
    """Returns the names of all scores that some run has, in order."""
    return list(dict.fromkeys(score for row in rows for score in row["scores"]))


def _statistics(rows):
    """Returns, per score, count, mean, standard deviation (of the sample; 0 for one run), best and
    worst with their seeds; over the runs that have it.

    A score of which neither end is better has no best and no worst.
    """
    found = {}
    for score in _scores_of(rows):
        values = {row["seed"]: row["scores"][score] for row in rows if score in row["scores"]}
        metric = metrics.METRICS[score.split("/")[0]]
        deviation = statistics.stdev(values.values()) if len(values) > 1 else 0.0
        found[score] = {
            "count": len(values),
            "mean": statistics.fmean(values.values()),
            "standard_deviation": deviation,
        }
        if metric.higher_is_better is not None:
            ordered = sorted(values, key=values.__getitem__, reverse=metric.higher_is_better)
            for end, seed in (("best", ordered[0]), ("worst", ordered[-1])):
                found[score] |= {end: values[seed], f"{end}_seed": seed}
    return found


def _csv(rows, tables):
    """Returns the runs, a line each, and the statistics of each configuration, four lines each."""
    scores = _scores_of(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", "seed", "status", *map(cell, scores)])
    for row in rows:
        writer.writerow(
            [
                cell(row["name"]),
                row["seed"],
                cell(row["status"]),
                *(row["scores"].get(score, "") for score in scores),
            ]
        )
    for label, table in tables.items():
        for statistic in ("mean", "standard_deviation", "best", "worst"):
            writer.writerow(
                [
                    f"{statistic} of {label}",
                    "",
                    "",
                    *(table.get(score, {}).get(statistic, "") for score in scores),
                ]
            )
    return text.getvalue()


def _markdown(label, rows, table, chosen):
    """Returns one configuration as a table: scores down, runs across."""
    lines = [f"### {markdown(label)}", ""]
    if chosen:
        lines += [_words(chosen), ""]
    lines.append(
        "| score | runs | mean | standard deviation | best | worst | "
        + " | ".join(f"seed {row['seed']}" for row in rows)
        + " |"
    )
    lines.append("| --- " * (6 + len(rows)) + "|")
    for score, numbers in table.items():
        cells = [
            str(numbers["count"]),
            f"{numbers['mean']:.4g}",
            f"{numbers['standard_deviation']:.2g}",
        ]
        cells += [
            f"{numbers[end]:.4g} (seed {numbers[f'{end}_seed']})" if end in numbers else ""
            for end in ("best", "worst")
        ]
        cells += [f"{row['scores'][score]:.4g}" if score in row["scores"] else "" for row in rows]
        lines.append(f"| {markdown(score)} | " + " | ".join(cells) + " |")
    unfinished = [
        f"- {row['name']}: {markdown(row['status'])}" for row in rows if row["status"] != "finished"
    ]
    alarms = [f"- {row['name']}: {markdown(alarm)}" for row in rows for alarm in row["alarms"]]
    for title, entries in (("Not finished:", unfinished), ("Alarms:", alarms)):
        if entries:
            lines += ["", title, "", *entries]
    return "\n".join(lines) + "\n"


def _page(jobs, configurations, tables):
    """Returns the page of all configurations side by side.

    Scores of single codes are left out unless all configurations have them.
    """
    from keras_infogan import summary_page

    directories = {job.name: job for job in jobs}
    columns, times = [], []
    for label, rows in configurations.items():
        finished = [row for row in rows if row["status"] == "finished"]
        taken = [row["seconds_per_step"] for row in finished if row["seconds_per_step"]]
        times.append(f"{statistics.fmean(taken):.3g}" if taken else "")
        columns.append(
            {
                "label": label,
                "runs": len(finished),
                "pictures": directories[finished[0]["name"]].pictures() if finished else {},
                "reports": {row["name"]: f"{row['name']}/report.html" for row in finished},
            }
        )
    shown = [
        score
        for score in _scores_of([row for rows in configurations.values() for row in rows])
        if metrics.METRICS[score.split("/")[0]].group not in ("generator", "real")
        or all(score in table for table in tables.values())
    ]
    scores = [
        (
            score,
            metrics.METRICS[score.split("/")[0]].title,
            [
                f"{table[score]['mean']:.4g} ± {table[score]['standard_deviation']:.2g}"
                if score in table
                else ""
                for table in tables.values()
            ],
        )
        for score in shown
    ]
    scores.append(("", "Seconds per step of training, start-up included", times))
    return summary_page.html(
        f"{jobs[0].run.dataset}: {'; '.join(configurations)}",
        columns,
        scores,
        ("samples", "reconstructions", "interpolations"),
    )


def _picture(rows):
    from keras_infogan import charts

    scores = _scores_of(rows)
    panels = [
        score for headline in _HEADLINES for score in scores if score.split("/")[0] == headline
    ][:_MOST_PANELS]
    return charts.scores_of_runs(
        panels or scores[:_MOST_PANELS],
        [(row["configuration"], row["scores"]) for row in rows if row["scores"]],
    )
