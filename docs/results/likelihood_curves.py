"""Draws the likelihood of pixel models over training, and where it is going:

    python docs/results/likelihood_curves.py OUTPUT.png LABEL=SECONDS=RUN_DIR ...

Left against steps, right against processor time, at SECONDS a step, both on logarithmic axes. Reads
metrics.jsonl of each run directory: nats of training batches, each line averaged with those of the
last tenth of training up to it. Rates fall linearly to 0, so a longer run would lie a little higher
in the middle and go on falling where this one ends.
"""

import sys

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from keras_infogan import runs


def main(output, *arguments):
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
    for label, seconds, directory in (argument.split("=", 2) for argument in arguments):
        lines = runs.read_log(runs.read(directory))
        steps = np.array([line["step"] for line in lines])
        nats = np.array([line["negative_log_likelihood"] for line in lines])
        mean = [nats[(steps > 0.9 * step) & (steps <= step)].mean() for step in steps]
        for axis, scale in zip(axes, (1, float(seconds) / 60), strict=True):
            axis.plot(steps * scale, mean, label=label, linewidth=1)
    for axis, what in zip(axes, ("training step", "minutes of one core"), strict=True):
        axis.set(xlabel=what, xscale="log", ylim=(88, 106))
    axes[0].set(ylabel="nats per image, training batches")
    axes[1].legend()
    figure.savefig(output, dpi=80)


if __name__ == "__main__":
    main(*sys.argv[1:])
