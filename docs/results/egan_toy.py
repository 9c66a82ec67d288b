"""Trains E-GAN, and what it is compared with, on points in a plane:

    python docs/results/egan_toy.py train RESULTS ring 0        one seed, all methods
    python docs/results/egan_toy.py table RESULTS               a table of all that is there
    python docs/results/egan_toy.py draw RESULTS ring 0 ring.gif  the points over training

`ring` is eight Gaussians on a circle, `grid` 25 on a square, as the papers draw them (radius 2 and
deviation 0.02; distance 2 and deviation 0.05), scaled so that the farthest means are at 0.8: a
generator ends in tanh. A point is an image of 1x2 pixels, so that the model is the one that is
trained on images. Scored as in VEEGAN (Srivastava et al. 2017, arXiv 1705.07761, Section 4.1): of
2,500 samples, those within three deviations of the nearest mean are of high quality, and a mode
counts that has one such sample. What is there already is not trained again.
"""

import dataclasses
import io
import json
import pathlib
import sys
import time

import numpy as np

METHODS = {
    "E-GAN": {},
    "minimax": {"mutations": "minimax"},
    "heuristic": {"mutations": "heuristic"},
    "least squares": {"mutations": "least_squares"},
    "random child": {"selection": "random"},
}
STEPS, BETWEEN_SNAPSHOTS, NUM_SAMPLES = 20_000, 1000, 2500
_SCORES = ("modes", "high_quality")
_HIDDEN = "dense 128, dense 128, dense 128"


def modes(data):
    """Returns the means of a mixture, float32 (modes, 2), and its deviation."""
    if data == "ring":
        angles = np.arange(8) * 2 * np.pi / 8
        return (0.8 * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype(np.float32), 0.008
    places = np.linspace(-0.8, 0.8, 5, dtype=np.float32)
    return np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2), 0.01


def score(points, data):
    """Returns the number of modes and the share of high quality of points (count, 2)."""
    means, deviation = modes(data)
    distances = np.linalg.norm(points[:, None] - means, axis=-1)
    good = distances.min(axis=1) < 3 * deviation
    return len(set(distances.argmin(axis=1)[good])), float(good.mean())


def train(data, method, seed):
    """Returns what one training gave: a list of a dict per snapshot, the points among it."""
    import tensorflow as tf

    from keras_infogan.models.egan import EGAN
    from keras_infogan.settings.egan import EGANSettings

    settings = EGANSettings(
        noise_size=2,
        discriminator_layers=_HIDDEN,
        generator_layers=f"{_HIDDEN}, dense 1x2x1",
        weight_std=0.0,
        generator_learning_rate=1e-4,
        discriminator_learning_rate=1e-4,
        batch_size=64,
        fitness_samples=4,  # 256 fakes against 64 real points, as in the released code
        seed=seed,
    )
    model = EGAN(dataclasses.replace(settings, **METHODS[method]), (1, 2, 1))
    model.compile()
    means, deviation = modes(data)

    mutations = model.settings.mutation_names

    @tf.function
    def several(count):
        """Returns which share of the steps each mutation won."""
        survived = tf.zeros(len(mutations))
        for _ in tf.range(count):
            draw = tf.stack([seed, tf.cast(model.steps_taken.value, tf.int32)])
            kinds = tf.random.stateless_uniform((64,), draw, 0, len(means), tf.int32)
            noise = tf.random.stateless_normal((64, 2), draw + 1)
            points = tf.gather(tf.constant(means), kinds) + deviation * noise
            report = model.train_step(tf.reshape(points, (64, 1, 2, 1)))
            survived += tf.stack([report[f"survived/{name}"] for name in mutations])
        return survived / tf.cast(count, tf.float32)

    lineage = []
    several(tf.constant(1))  # what it takes to trace is not counted
    seconds, latents = 0.0, model.latent_spec.sample(NUM_SAMPLES, seed)
    while model.step < STEPS:
        start = time.process_time()
        survived = several(tf.constant(BETWEEN_SNAPSHOTS - model.step % BETWEEN_SNAPSHOTS))
        seconds += time.process_time() - start
        points = model.generate(latents).numpy().reshape(-1, 2)
        found, quality = score(points, data)
        lineage.append(
            {
                "step": model.step,
                "seconds": round(seconds, 2),
                "modes": found,
                "high_quality": quality,
                "survived": dict(
                    zip(mutations, survived.numpy().astype(float).round(4).tolist(), strict=True)
                ),
                "points": points[:500].astype(float).round(3).tolist(),
            }
        )
    return lineage


def _at(snapshots, seconds):
    """Returns the last snapshot that was reached within a time."""
    return [snapshot for snapshot in snapshots if snapshot["seconds"] <= seconds][-1]


def table(results):
    """Returns a Markdown table over all seeds: at the end, as a mean over the last quarter of a
    seed's snapshots, and at the last snapshot within the processor time of the heuristic loss.
    """
    found = {
        tuple(path.stem.split("_")): json.loads(path.read_text()) for path in results.glob("*.json")
    }
    lines = [
        "| data | method | seeds | modes | high quality | last quarter: modes | high quality "
        "| in a single loss's time: modes | high quality | ms a step |",
        "| --- " * 10 + "|",
    ]

    def mean(values, shown):
        return f"{np.mean(values):{shown}} ({min(values):{shown}} to {max(values):{shown}})"

    for data in ("ring", "grid"):
        for method in METHODS:
            runs = {
                seed: run for (of, by, seed), run in found.items() if (of, by) == (data, method)
            }
            if not runs:
                continue
            late = [
                {key: np.mean([shot[key] for shot in run[-len(run) // 4 :]]) for key in _SCORES}
                for run in runs.values()
            ]
            timed = [
                _at(run, found[data, "heuristic", seed][-1]["seconds"])
                for seed, run in runs.items()
                if (data, "heuristic", seed) in found
            ]
            cells = [data, method, str(len(runs))]
            for snapshots in ([run[-1] for run in runs.values()], late, timed):
                cells.append(mean([snapshot["modes"] for snapshot in snapshots], ".3g"))
                cells.append(mean([snapshot["high_quality"] for snapshot in snapshots], ".0%"))
            pace = [1000 * run[-1]["seconds"] / run[-1]["step"] for run in runs.values()]
            lines.append("| " + " | ".join([*cells, f"{np.mean(pace):.1f}"]) + " |")
    return "\n".join(lines)


def draw(results, data, seed, path):
    """Writes an animation of the points of every method over training."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    runs = {
        method: json.loads((results / f"{data}_{method}_{seed}.json").read_text())
        for method in METHODS
    }
    means, _ = modes(data)
    frames = []
    for index in range(len(runs["E-GAN"])):
        figure, panels = plt.subplots(1, len(runs), figsize=(10, 2.4), layout="constrained")
        for axes, (method, snapshots) in zip(panels, runs.items(), strict=True):
            snapshot = snapshots[index]
            axes.plot(*means.T, "o", color="tab:orange", markersize=5, alpha=0.4)
            axes.plot(*np.array(snapshot["points"]).T, ".", color="tab:blue", markersize=1.5)
            axes.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), xticks=[], yticks=[], aspect="equal")
            score_text = f"{snapshot['modes']} modes, {snapshot['high_quality']:.0%}"
            axes.set_title(f"{method}\n{score_text}", fontsize=8)
        figure.suptitle(f"{data}, seed {seed}, step {runs['E-GAN'][index]['step']:,}", fontsize=9)
        data_of_frame = io.BytesIO()
        figure.savefig(data_of_frame, dpi=80)
        plt.close(figure)
        frames.append(Image.open(data_of_frame).convert("P", palette=Image.Palette.ADAPTIVE))
    first, *others = frames
    durations = [300] * len(others) + [2500]
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0)


def main(what, results, *arguments):
    results = pathlib.Path(results)
    if what == "table":
        print(table(results))
    elif what == "draw":
        data, seed, path = arguments
        draw(results, data, seed, path)
    else:
        data, seed = arguments
        results.mkdir(parents=True, exist_ok=True)
        for method in METHODS:
            path = results / f"{data}_{method}_{seed}.json"
            if not path.exists():
                snapshots = train(data, method, int(seed))
                path.write_text(json.dumps(snapshots))
                last = snapshots[-1]
                print(
                    f"{data}, {method}, seed {seed}: {last['modes']} modes, "
                    f"{last['high_quality']:.1%} high quality, {last['seconds']:.0f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main(*sys.argv[1:])
