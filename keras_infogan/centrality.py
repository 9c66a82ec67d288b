"""Says which run of a sweep to take where nobody knows the factors, by ModelCentrality (Lin et al.
2020, arXiv 1906.06034, Section 5):

    python -m keras_infogan.centrality --sweep_dir=sweeps/sprites

Models that found the factors agree with each other; each that did not is wrong in its own way. So
every model generates images, whose factors are the codes that made them; every other model reads
these, and is scored on them as if they were ground truth. The agreement of two is the mean of both
directions, and a model's centrality its mean agreement with all others.

Writes centrality.json to the sweep's directory, from which the sweep's summary takes it;
`sweep --centrality` does both, and with --ray on all nodes. It takes all finished runs that can
generate and encode.
"""

import functools
import json
import pathlib
from collections.abc import Callable

import numpy as np
from absl import flags
from tqdm import tqdm

from keras_infogan import config, files, loaded, sweeps
from keras_infogan.config import UserError
from keras_infogan.metrics.factor_vae_score import factor_vae_score

FLAGS = flags.FLAGS
# Images that each model generates.
NUM_IMAGES = 3_000


def agreements(models, seed=0):
    """Returns how well each model reads what each other generates, float (models, models) in
    [0, 1]: the FactorVAE score of the one in the column on images of the one in the row.

    Args:
      models: list of `trained.Trained` that generate and encode images of one size.
      seed: of what is generated, and of the score's draws.

    Raises:
      UserError: for fewer than two models, or one that cannot, or makes other images.
    """
    _check_several(models)
    return np.array([_read_by_all(model, models, seed) for model in models])


def _check_several(models):
    if len(models) < 2:
        raise UserError(f"models agree with each other: give two or more, not {len(models)}.")


def _read_by_all(model, models, seed):
    """Returns the row of a model in `agreements`, a list."""
    _check_several(models)
    for other in models:
        other.require("generate")
        other.require("encode")
    shapes = {other.image_shape for other in models}
    if len(shapes) > 1:
        sizes = ", ".join("x".join(map(str, shape)) for shape in sorted(shapes))
        raise UserError(f"models that agree have images of one size, and these have {sizes}.")
    latents = model.latent_spec.sample(NUM_IMAGES, seed)
    images, factors = model.generate(latents), _numbers(model.latent_spec.values(latents))
    return [
        factor_vae_score(_numbers(other.latent_spec.answers(other.encode(images))), factors, seed)
        for other in models
    ]


def centralities(agreements):
    """Returns each model's centrality, float (models,) in [0, 1], from what `agreements` does."""
    mutual = (agreements + agreements.T) / 2
    others = len(mutual) - 1
    return (mutual.sum(axis=1) - np.diag(mutual)) / others


def _numbers(values):
    """Returns codes by name as columns, float (count, codes)."""
    return np.stack([column.astype(np.float64) for column in values.values()], axis=1)


@functools.lru_cache(maxsize=1)
def _able(directory, names):
    """Returns the models of those runs of a sweep that can be compared, a dict by their names;
    loaded once per process.
    """
    trained = {name: loaded.load_run(directory / name)[1] for name in names}
    return {
        name: model
        for name, model in trained.items()
        if {"generate", "encode"} <= set(model.capabilities) and model.latent_spec.codes
    }


def run_read_by_all(directory, names, seed, name):
    """Returns how well each of the runs of these names reads what one of them generates, a dict of
    those that can be compared; None if that one cannot.
    """
    able = _able(directory, names)
    if name not in able:
        return None
    return dict(zip(able, _read_by_all(able[name], list(able.values()), seed), strict=True))


def compare(directory, seed=0, each: Callable = map):
    """Writes centrality.json of the finished runs of a sweep.

    Args:
      directory: of the sweep.
      seed: see `agreements`.
      each: function (function, names) -> an iterable of what the function returns of each name;
        another than `map` may compute elsewhere.

    Returns:
      The centralities, a dict by the names of the runs.

    Raises:
      UserError: if there is no such sweep, or fewer than two runs can be compared.
    """
    _able.cache_clear()  # runs that have trained on since are others
    names = tuple(sweeps.finished(directory))
    rows = each(functools.partial(run_read_by_all, directory, names, seed), names)
    shown = tqdm(rows, total=len(names), desc="reading each other's images", unit="model")
    found = {name: row for name, row in zip(names, shown, strict=True) if row}
    _check_several(found)
    table = np.array([list(row.values()) for row in found.values()])
    central = dict(zip(found, centralities(table).tolist(), strict=True))
    content = {"centrality": central, "agreements": table.tolist()}
    files.write_atomically(directory / sweeps.CENTRALITY, json.dumps(content, indent=1) + "\n")
    return central


def define_flags():
    config.define_path("sweep_dir", None, "the directory that keras_infogan.sweep wrote.")
    flags.DEFINE_integer("seed", 0, "seed of all random draws.", lower_bound=0)


def main():
    if not FLAGS.sweep_dir:
        raise UserError("which sweep? Give --sweep_dir=DIR, the directory of a sweep.")
    central = compare(pathlib.Path(config.absolute_path(FLAGS.sweep_dir)), FLAGS.seed)
    for name, value in sorted(central.items(), key=lambda item: -item[1]):
        print(f"{name}: {value:.3f}")
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
