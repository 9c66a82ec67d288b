"""Charts: numbers in, a picture out; as PNG, or as SVG that takes the colors of the page it stands in, so that one file serves light and dark."""

import io

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# Stands for the page's own text color until the SVG is written.
_INK = "#010203"
_INKED = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color", "legend.labelcolor")
_STYLE = {
    **dict.fromkeys(_INKED, _INK),
    "axes.grid": True,
    "axes.titlesize": 11,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.alpha": 0.15,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "keras-infogan",
    "font.family": "sans-serif",
    "font.size": 11,
}


def information_over_training(steps, information, entropies):
    """Returns a chart, SVG text, of each code's information bound over training against its limit H(c).

    Args:
      steps: int (lines,).
      information: dict from code name to float (lines,), nats.
      entropies: dict from code name to H(c) in nats.
    """
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
        for name, values in information.items():
            axes.plot(steps, values, label=name, linewidth=1.2)
        for entropy in sorted(set(entropies.values())):
            axes.axhline(entropy, color=_INK, linestyle=":", linewidth=1)
            axes.annotate(f"H(c) = {entropy:.3f}", (1, entropy), xycoords=("axes fraction", "data"), ha="right", va="bottom")
        axes.set(xlabel="training step", ylabel="information bound (nats)", xlim=(0, None), ylim=(-0.3, max(entropies.values()) * 1.12))
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        return _svg(figure)


def scores_of_runs(panels, runs):
    """Returns a chart, PNG bytes, of a few scores over the runs of a sweep: a panel per score, a row per configuration, a dot per run and a bar at the mean.

    Args:
      panels: list of scores' names.
      runs: list of (configuration, dict from score to number).
    """
    rows = list(dict.fromkeys(configuration for configuration, _ in runs))
    with plt.rc_context({**_STYLE, **dict.fromkeys(_INKED, "black")}):
        height = 1.1 + 0.45 * len(rows)
        shape = -(-len(panels) // 3), min(len(panels), 3)
        figure, grid = plt.subplots(*shape, figsize=(11, height * shape[0]), sharey=True, layout="constrained", squeeze=False)
        for axes, panel in zip(grid.flat, panels, strict=False):
            for row, configuration in enumerate(rows):
                values = [scores[panel] for other, scores in runs if other == configuration and panel in scores]
                axes.plot(values, [row] * len(values), "o", color="tab:blue", alpha=0.6, markersize=6)
                if values:
                    axes.plot([sum(values) / len(values)] * 2, [row - 0.3, row + 0.3], color="tab:orange", linewidth=2)
            axes.locator_params(axis="x", nbins=5)
            axes.set(title=panel, yticks=range(len(rows)), yticklabels=rows, ylim=(len(rows) - 0.5, -0.5))
        for axes in grid.flat[len(panels) :]:
            axes.remove()
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=110)
        plt.close(figure)
    return data.getvalue()


def _svg(figure):
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    plt.close(figure)
    svg = text.getvalue()
    return svg[svg.index("<svg") :].replace(_INK, "currentColor")
