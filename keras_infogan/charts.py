"""Charts: numbers in, a picture out; as PNG, or as SVG that takes the colors of the page it stands
in, so that one file serves light and dark.
"""

import io
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import matplotlib.ticker

# Stands for the page's own text color until the SVG is written.
_INK = "#010203"
_INKED = (
    "text.color",
    "axes.edgecolor",
    "axes.labelcolor",
    "xtick.color",
    "ytick.color",
    "grid.color",
    "legend.labelcolor",
)
_STYLE: Any = {  # the stub of rc_context takes names as literals only
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
_LABEL_COLORS = 10  # of matplotlib's "tab10"
_ON_WHITE: Any = {**_STYLE, **dict.fromkeys(_INKED, "black")}


def information_over_training(steps, information, entropies):
    """Returns a chart, SVG text, of each code's information bound over training
    against its limit H(c).

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
            axes.annotate(
                f"H(c) = {entropy:.3f}",
                (1, entropy),
                xycoords=("axes fraction", "data"),
                ha="right",
                va="bottom",
            )
        axes.set(
            xlabel="training step",
            ylabel="information bound (nats)",
            xlim=(0, None),
            ylim=(-0.3, max(entropies.values()) * 1.12),
        )
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        return _svg(figure)


def scores_of_runs(panels, runs):
    """Returns a chart, PNG bytes, of a few scores over the runs of a sweep: a panel per score, a
    row per configuration, a dot per run and a bar at the mean.

    Args:
      panels: list of scores' names.
      runs: list of (configuration, dict from score to number).
    """
    rows = list(dict.fromkeys(configuration for configuration, _ in runs))
    with plt.rc_context(_ON_WHITE):
        height = 1.1 + 0.45 * len(rows)
        shape = -(-len(panels) // 3), min(len(panels), 3)
        figure, grid = plt.subplots(
            *shape,
            figsize=(11, height * shape[0]),
            sharey=True,
            layout="constrained",
            squeeze=False,
        )
        for axes, panel in zip(grid.flat, panels, strict=False):
            for row, configuration in enumerate(rows):
                values = [
                    scores[panel]
                    for other, scores in runs
                    if other == configuration and panel in scores
                ]
                axes.plot(
                    values, [row] * len(values), "o", color="tab:blue", alpha=0.6, markersize=6
                )
                if values:
                    axes.plot(
                        [sum(values) / len(values)] * 2,
                        [row - 0.3, row + 0.3],
                        color="tab:orange",
                        linewidth=2,
                    )
            axes.locator_params(axis="x", nbins=5)
            axes.set(
                title=panel, yticks=range(len(rows)), yticklabels=rows, ylim=(len(rows) - 0.5, -0.5)
            )
        for axes in grid.flat[len(panels) :]:
            axes.remove()
        return _png(figure)


def points_of_sets(panels):
    """Returns a chart, PNG bytes, of points of several sets, a panel for each entry, a marker for
    each set, a color for each label.

    Args:
      panels: dict from a title to a dict from a set's name to points, float (count, 2), and labels,
        int (count,).
    """
    with plt.rc_context(_ON_WHITE):
        figure, grid = plt.subplots(
            1, len(panels), figsize=(5 * len(panels), 4.6), layout="constrained", squeeze=False
        )
        for axes, (title, sets) in zip(grid.flat, panels.items(), strict=True):
            for (name, (points, labels)), marker in zip(sets.items(), "o^s", strict=False):
                axes.scatter(
                    *points.T,
                    s=12,
                    c=labels % _LABEL_COLORS,
                    marker=marker,
                    cmap="tab10",
                    vmin=0,
                    vmax=_LABEL_COLORS,
                    label=name,
                )
            axes.set(title=title, xticks=[], yticks=[])
        legend = grid.flat[0].legend()
        for handle in legend.legend_handles:
            handle.set_color("gray")
        return _png(figure)


def throughput_and_latency(title, rows):
    """Returns a chart, PNG bytes, of a load test over its concurrency, a line per batch size:
    images per second, and the latency p50 with p95 above it.

    Args:
      title: what was measured.
      rows: list of dicts with "batch_size", "concurrency", "images_per_second", and "latency_ms", a
        dict with "p50" and "p95", or None if nothing was answered.
    """
    sizes, concurrencies = (
        sorted({row[name] for row in rows}) for name in ("batch_size", "concurrency")
    )
    with plt.rc_context(_ON_WHITE):
        figure, (throughput, latency) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
        colors = plt.get_cmap("viridis")(
            [0.85 * index / max(len(sizes) - 1, 1) for index in range(len(sizes))]
        )
        tail = {"marker": ".", "linestyle": "--", "linewidth": 1}
        for size, color in zip(sizes, colors, strict=True):
            answered = sorted(
                (row for row in rows if row["batch_size"] == size and row["latency_ms"]),
                key=lambda row: row["concurrency"],
            )
            places = [row["concurrency"] for row in answered]
            medians, tails = (
                [row["latency_ms"][name] for row in answered] for name in ("p50", "p95")
            )
            throughput.plot(
                places,
                [row["images_per_second"] for row in answered],
                "o-",
                color=color,
                label=f"{size:,}",
            )
            latency.plot(places, medians, "o-", color=color)
            latency.plot(places, tails, color=color, **tail)
            latency.fill_between(places, medians, tails, color=color, alpha=0.12, linewidth=0)
        latency.plot([], [], "o-", color="gray", label="p50, the median")
        latency.plot([], [], color="gray", label="p95", **tail)
        for axes, name, unit in (
            (throughput, "throughput", "images per second"),
            (latency, "latency of a request", "milliseconds"),
        ):
            axes.set(title=name, xlabel="concurrency (requests under way at once)", ylabel=unit)
            axes.set_xscale("log", base=2)
            axes.set(xlim=(concurrencies[0] / 1.3, concurrencies[-1] * 1.3))
            axes.set_xticks(concurrencies, map(str, concurrencies))
            axes.set_xticks([], minor=True)
            axes.set_yscale("log")
            # [1] where nothing was answered.
            heights = [height for line in axes.lines for height in line.get_ydata()] or [1]
            low = min(heights) / 1.3
            # Wide enough for two of the numbers beside it.
            axes.set(ylim=(low, max(max(heights) * 1.3, 8 * low)))
            axes.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(lambda height, _: f"{height:,.10g}")
            axes.yaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        latency.legend(loc="upper left")
        figure.legend(
            *throughput.get_legend_handles_labels(),
            title="images in\na request",
            loc="outside right center",
        )
        figure.suptitle(title, fontsize=11)
        return _png(figure)


def _png(figure):
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
