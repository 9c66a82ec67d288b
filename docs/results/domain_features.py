"""Draws what two runs of domain-adversarial training see in both data sets:

    python docs/results/domain_features.py RUN_DIR OTHER_RUN_DIR PICTURE

Each panel shows the features of 500 test images of either data set, brought to two dimensions by
t-SNE (scikit-learn, seed 0) over both sets together. Labels color nothing but the picture. A minute
on two CPU cores.
"""

import sys

import matplotlib
import numpy as np
from sklearn.manifold import TSNE

from keras_infogan import datasets, loaded

matplotlib.use("Agg")
from matplotlib import pyplot

_COUNT = 500


def features(directory):
    """Returns the run's name for a title, the features of both data sets, float (1000, size), and
    the labels of each, int (500,).
    """
    run, model = loaded.load_run(directory)
    name, place = run.settings.target_dataset, run.settings.target_data_dir or None
    source = datasets.load(
        run.dataset,
        datasets.evaluation_split(run.dataset, run.data_dir),
        run.image_shape,
        run.data_dir,
        run.framing,
    )
    target = datasets.load_target(
        name, datasets.evaluation_split(name, place), run.image_shape, place
    )
    sets = (source, target)
    found = [
        model.learner.features(datasets.to_float(np.asarray(part.images[:_COUNT])), training=False)
        for part in sets
    ]
    title = f"lambda up to {run.settings.domain_weight:g}"
    return title, np.concatenate(found), [np.asarray(part.labels[:_COUNT]) for part in sets]


def main():
    *directories, picture = sys.argv[1:]
    _, panels = pyplot.subplots(1, len(directories), figsize=(6 * len(directories), 6))
    for panel, directory in zip(np.atleast_1d(panels), directories, strict=True):
        title, values, labels = features(directory)
        places = TSNE(random_state=0).fit_transform(values)
        for part, of_part, marker in zip(np.split(places, 2), labels, ("o", "^"), strict=True):
            panel.scatter(*part.T, c=of_part, cmap="tab10", vmin=0, vmax=9, s=14, marker=marker)
        panel.set(title=f"{title}; dots: source, triangles: target", xticks=[], yticks=[])
    pyplot.tight_layout()
    pyplot.savefig(picture, dpi=80)


if __name__ == "__main__":
    main()
