"""Draws by which mutations the survivors of an E-GAN descend, over its training:

    python docs/results/egan_lineage.py RUN_DIR lineage.png

From the run's metrics.jsonl, whose lines are means of the steps since the one before: with
--log_every_steps=1 they say of every step which child survived it.
"""

import json
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main(run_dir, path):
    log = pathlib.Path(run_dir) / "metrics.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    names = [name for name in lines[0] if name.startswith("survived/")]
    figure, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
    axes.stackplot(
        [line["step"] for line in lines],
        [[line[name] for line in lines] for name in names],
        labels=[name.removeprefix("survived/").replace("_", " ") for name in names],
    )
    axes.set(xlabel="training step", ylabel="share of the survivors", ylim=(0, 1))
    axes.margins(x=0)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
