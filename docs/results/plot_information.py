"""Draws the information of one code over training (the paper's Figure 1):

    python docs/results/plot_information.py CODE OUTPUT.png LABEL=RUN_DIR ...

Reads metrics.jsonl of each run directory. The dotted line is the code's entropy H(c), the most that
the bound can reach.
"""

import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from keras_infogan import runs


def main(code, output, *arguments):
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
    entropies = set()
    for label, directory in (argument.split("=", 1) for argument in arguments):
        run = runs.read(directory)
        entropies |= {one.entropy for one in run.settings.latent_spec.codes if one.name == code}
        lines = runs.read_log(run)
        for axis in axes:
            axis.plot(
                [line["step"] for line in lines],
                [line[f"mutual_information/{code}"] for line in lines],
                label=label,
                linewidth=1,
            )
    for axis in axes:
        for entropy in entropies:
            axis.axhline(
                entropy, color="black", linestyle=":", linewidth=1, label=f"H(c) = {entropy:.3f}"
            )
        axis.set_xlabel("training step")
    axes[0].set(
        xlim=(0, 300), ylabel=f"lower bound on I({code}; x) in nats", title="the first 300 steps"
    )
    axes[1].set(xlim=0, title="all of training")
    axes[1].legend(loc="center right")
    figure.savefig(output, dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
