"""GAN Dissection (Bau et al. 2018, arXiv 1811.10597): which units of a generator's layer stand for
which parts of its images, and what becomes of the images where units are switched off or on.

A unit is one channel of a layer's maps. Where the paper has a segmentation network, `segments`
tells the parts by how they are drawn.
"""

import dataclasses
import pathlib

import numpy as np
from tqdm import tqdm

from keras_infogan import datasets, features, segments
from keras_infogan.config import UserError
from keras_infogan.metrics.frechet_distance import frechet_distance
from keras_infogan.units import changed, layer_with_maps

# A unit stands for a segment where they agree by more than this (Section 3.1), at a threshold of at
# least this information quality ratio (the released code's).
LEAST_IOU, LEAST_RATIO = 0.05, 0.01
_BATCH_SIZE = 100
# Thresholds that are tried for each unit, as quantiles of its values.
_QUANTILES = np.linspace(0, 0.995, 100)
# A segment that fewer of the images show is not intervened on.
_LEAST_PRESENT = 20
# Optimization of alpha (the released code's aceoptimize.py: Adam 0.01, 0.005 alpha^2); its ten
# epochs of 2,000 places are shortened, at five times the rate.
_STEPS, _PLACES, _RATE, _PENALTY = 100, 32, 0.05, 0.005
_RANDOM_SETS = 5
NUM_EXAMPLES = 10
# Images that the stand-in for the segments learns from, and the side of a place that is edited, in
# shares of the map's (in the paper a place is one of 8x8).
_STAND_IN_IMAGES, _PLACE = 2500, 0.2
# Images by which a unit is suspected of artifacts: those in which it is most active.
_ACTIVE_SHARE = 0.2


class OpenGenerator:
    """A trained model whose generator is open at one layer.

    Attributes:
      model: the TrainedLearner.
      layer: the layer's name.
      shape: (height, width, units) of its maps.
    """

    def __init__(self, model, layer=None):
        """
        Args:
          model: a TrainedLearner.
          layer: name of a layer, as `units.layer_with_maps` takes it.

        Raises:
          UserError: if the model does not generate, or has no such layer, or that has no map.
        """
        import tensorflow as tf

        self.layer, self._keras_layer, self.shape = layer_with_maps(model, layer)
        self.model = model
        vectors = tf.TensorSpec((None, model.latent_spec.size))
        units, places = tf.TensorSpec((self.shape[-1],)), tf.TensorSpec((None, None, None, 1))
        self._opened = tf.function(
            self._images_and_maps, input_signature=[vectors], autograph=False
        )
        self.edited = tf.function(
            self._edited, input_signature=[vectors, units, units, places], autograph=False
        )

    def check_units(self, count, chosen=()):
        """Raises UserError unless the layer has as many units, and those of these numbers."""
        units = self.shape[-1]
        if count > units // 2:
            raise UserError(
                f"--units: expected at most {units // 2}, half the units of {self.layer}, received "
                f"{count}."
            )
        if max(chosen, default=0) >= units:
            raise UserError(
                f"--artifact_units: {self.layer} has units 0 to {units - 1}, and no {max(chosen)}."
            )

    def _images_and_maps(self, latents):
        seen = []
        with changed(self._keras_layer, lambda maps: seen.append(maps) or maps):
            made = self.model.learner.generate(latents)
        return made, seen[0]

    def _edited(self, latents, alpha, values, places):
        """Returns images, tensor, with r <- alpha k + (1 - alpha) r at places (Section 3.2).

        Args:
          latents: (count, size).
          alpha: (units,), in [0, 1]: which units are set.
          values: k, (units,): to what.
          places: (count, height, width, 1) of the map, or what is broadcast to it: 1 where.
        """
        with changed(self._keras_layer, lambda maps: maps + alpha * places * (values - maps)):
            return self.model.learner.generate(latents)

    def images_and_maps(self, latents):
        """Yields (images, maps) of parts of the latents, numpy."""
        for part in _parts(latents):
            made, maps = self._opened(part)
            yield made.numpy(), maps.numpy()

    def images_with(self, latents, units=(), values=0.0, places=None):
        """Returns images with some units set to values, everywhere or at places, numpy.

        Args:
          latents: (count, size).
          units: their numbers.
          values: a number, or (units of the layer,).
          places: (count, height, width, 1) of the map, or None.
        """
        count = self.shape[-1]
        alpha = np.isin(np.arange(count), units).astype(np.float32)
        values = np.broadcast_to(np.float32(values), (count,))
        places = np.ones((len(latents), 1, 1, 1), np.float32) if places is None else places
        parts = zip(_parts(latents), _parts(places), strict=True)
        return np.concatenate([self.edited(part, alpha, values, at).numpy() for part, at in parts])


def _parts(values):
    return [values[start : start + _BATCH_SIZE] for start in range(0, len(values), _BATCH_SIZE)]


# Units against segments (Section 3.1).


def segmenter_of_labels(run, folder, data_dir=None):
    """Returns the function from images to segments that a user's label images of the run's own
    folder teach; see `segments.label_images`, whose UserError it raises.
    """
    image_set = datasets.load(run.dataset, "train", run.image_shape, data_dir, run.framing)
    if not image_set.files:
        raise UserError(f"--masks needs a run on a folder of images, and this is on {run.dataset}.")
    indices, labels = segments.label_images(
        pathlib.Path(folder), image_set.files, run.image_shape[:2]
    )
    return segments.learned(datasets.to_float(np.asarray(image_set.images[indices])), labels)


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How units agree with segments, each array (units, segments).

    Attributes:
      thresholds: above which a unit counts as active, of the highest ratio.
      ratios: information quality ratio there, mutual information by joint entropy.
      ious: intersection by union, on other images.
    """

    thresholds: np.ndarray
    ratios: np.ndarray
    ious: np.ndarray

    @property
    def found(self):
        """Which pairs pass the paper's rule, bool (units, segments)."""
        return (self.ious > LEAST_IOU) & (self.ratios > LEAST_RATIO)


def agreement(opened, segment, num_images, seed):
    """Returns how the units of an OpenGenerator agree with the segments of its images, and how they
    agree with those of other images.

    Args:
      opened: OpenGenerator.
      segment: function from images to segments.
      num_images: images from which thresholds are taken, and as many others to measure agreement.
      seed: of the latents.

    Returns:
      (names of the segments, Agreement, Agreement with the segments of another image): what the
      second finds, a unit finds by chance, as it does what lies at the same place in all images.
    """
    latents = opened.model.latent_spec.sample(2 * num_images, seed)
    first, *_ = opened.images_and_maps(latents[:_BATCH_SIZE])
    values = resized(first[1], first[0].shape[1:3]).reshape(-1, opened.shape[-1])
    edges = np.quantile(values, _QUANTILES, axis=0).T.astype(np.float32)
    names = list(segment(first[0]))
    tables = [
        _counted(opened, segment, part, edges, about)
        for part, about in (
            (latents[:num_images], "thresholds of units"),
            (latents[num_images:], "agreement of units"),
        )
    ]
    results = []
    for kind in range(2):
        chosen, judged = (_measured(table[kind]) for table in tables)
        best = chosen[0].argmax(axis=-1)[..., None]
        ratios, ious = (
            np.take_along_axis(values, best, axis=-1)[..., 0] for values in (chosen[0], judged[1])
        )
        thresholds = np.take_along_axis(edges[:, None], best, axis=-1)[..., 0]
        results.append(Agreement(thresholds, ratios, ious))
    return names, *results


def _counted(opened, segment, latents, edges, about):
    """Returns how many pixels lie between which thresholds in each segment, and in all of the
    images: (2, units, segments + 1, thresholds + 1), of images with their own segments and with
    another's.

    A pixel's segments are written as the bits of a number, so that each pixel is counted once.
    """
    units, num_bins = len(edges), edges.shape[1] + 1
    table = np.zeros(())
    parts = tqdm(range(0, len(latents), _BATCH_SIZE), desc=about, unit="x100", leave=False)
    for start in parts:
        ((made, maps),) = opened.images_and_maps(latents[start : start + _BATCH_SIZE])
        masks = np.stack(list(segment(made).values()), axis=-1)
        powers = 1 << np.arange(masks.shape[-1])
        bits = masks @ powers
        pairings = [bits.ravel(), np.roll(bits, 1, axis=0).ravel()]
        numbers = np.arange(2 * powers[-1])
        members = np.stack([*(numbers & powers[:, None] > 0), numbers >= 0]).astype(float)
        counted = np.zeros((2, units, len(members), num_bins))
        values = resized(maps, made.shape[1:3]).reshape(-1, units)
        for unit in range(units):
            # As many thresholds as lie below.
            bins = np.searchsorted(edges[unit], values[:, unit])
            for kind, paired in enumerate(pairings):
                counts = np.bincount(paired * num_bins + bins, minlength=len(numbers) * num_bins)
                counted[kind, unit] = members @ counts.reshape(-1, num_bins)
        table = table + counted
    return table


def _measured(table):
    """Returns information quality ratio and IoU, each (units, segments, thresholds), of counts
    (units, segments + 1, thresholds + 1).
    """
    reversed_sums = np.cumsum(table[..., ::-1], axis=-1)[..., ::-1]
    above, active = reversed_sums[:, :-1, 1:], reversed_sums[:, -1:, 1:]
    size, total = reversed_sums[:, :-1, :1], reversed_sums[:, -1:, :1]
    iou = above / np.maximum(active + size - above, 1)

    def entropy(*counts):
        shares = np.stack(np.broadcast_arrays(*counts)) / total
        return -np.sum(shares * np.log(np.maximum(shares, 1e-12)), axis=0)

    joint = entropy(above, active - above, size - above, total - active - size + above)
    apart = entropy(active, total - active) + entropy(size, total - size)
    return (apart - joint) / np.maximum(joint, 1e-12), iou


def resized(maps, size):
    """Returns maps (count, height, width, units) brought to a size, bilinearly, numpy."""
    import tensorflow as tf

    return tf.image.resize(maps, size).numpy()


# Interventions (Section 3.2).


@dataclasses.dataclass(frozen=True)
class Effect:
    """What setting the units of a segment does to it.

    Attributes:
      alpha: (units,), how much each unit belongs to the segment.
      units: those of the largest alpha.
      removed: share of each segment's pixels that go where `units` are switched off, a dict.
      removed_by_random: the same of this segment for sets of random units, a list.
      inserted: by how much its share of the places rises where `units` are switched on.
      inserted_by_random: the same for random units, a list.
      random_units: the first of those sets.
      examples: images before and after insertion, (2, NUM_EXAMPLES, height, width, channels).
    """

    alpha: np.ndarray
    units: np.ndarray
    removed: dict
    removed_by_random: list
    inserted: float
    inserted_by_random: list
    random_units: np.ndarray
    examples: np.ndarray


def effects(opened, segment, num_units, num_images, seed):
    """Returns what the units of each segment do: a dict from its name to Effect, a dict from the
    names of those left out to the reason, and IoU of the stand-in per segment.

    Units are chosen by the average causal effect, E[s | r = k] - E[s | r = 0], through a small
    network that stands in for the segments, because those have no gradient. What they do is
    measured on the segments themselves, and on other images.
    """
    spec, count = opened.model.latent_spec, opened.shape[-1]
    latents = spec.sample(max(num_images, _STAND_IN_IMAGES), seed + 1)
    made, maps = joined(opened, latents)
    parts = segment(made)
    names, masks = list(parts), np.stack(list(parts.values()), axis=-1)
    stand_in, ious = _stand_in(made, masks, seed)
    shares = _pooled(masks, opened.shape[:2])
    generator = np.random.default_rng(seed)
    sets = [generator.choice(count, num_units, replace=False) for _ in range(_RANDOM_SETS)]
    fresh = spec.sample(num_images, seed + 2)
    before, *without_random = (segment(opened.images_with(fresh, units)) for units in ([], *sets))
    found, left_out = {}, {}
    for index, name in enumerate(tqdm(names, desc="interventions", unit="segment", leave=False)):
        share = shares[..., index]
        if (share > 0).any(axis=(1, 2)).sum() < _LEAST_PRESENT:
            left_out[name] = "hardly any image shows it"
            continue
        if (share == 0).any(axis=(1, 2)).sum() < _LEAST_PRESENT:
            left_out[name] = "it is everywhere"
            continue
        if not (_pooled(before[name][..., None], opened.shape[:2]) == 0).any():
            left_out[name] = "it is everywhere"
            continue
        values = np.average(maps.reshape(-1, count), axis=0, weights=share.reshape(-1)).astype(
            np.float32
        )
        alpha = _optimized(opened, stand_in, index, latents, share, values, seed)
        units = np.argsort(-alpha)[:num_units]
        inserted, examples = _inserted(
            opened, segment, name, fresh, before[name], values, [units, *sets]
        )
        found[name] = Effect(
            alpha,
            units,
            _removed(before, segment(opened.images_with(fresh, units))),
            [_removed(before, after)[name] for after in without_random],
            inserted[0],
            inserted[1:],
            sets[0],
            examples,
        )
    return found, left_out, dict(zip(names, ious, strict=True))


def _removed(before, after):
    """Returns which share of each segment's pixels went, a dict."""
    return {
        name: 1 - float(after[name].sum() / max(masks.sum(), 1)) for name, masks in before.items()
    }


def _inserted(opened, segment, name, latents, before, values, sets):
    """Returns which share of places that lacked a segment are it once sets of units are switched on
    there, a list; and a few images before and after the first set was.
    """
    generator = np.random.default_rng(0)
    lacking = _pooled(before[..., None], opened.shape[:2])[..., 0] == 0
    kept = lacking.any(axis=(1, 2))
    latents, before = latents[kept], before[kept]
    places = _drawn_places(lacking[kept], generator)
    region = (_enlarged(places, before.shape[1:]).numpy()[..., 0] > 0) & ~before
    made = [opened.images_with(latents, units, values, places) for units in sets]
    shares = [float(segment(images)[name][region].mean()) for images in made]
    shown = latents[:NUM_EXAMPLES]
    return shares, np.stack([opened.images_with(shown), made[0][:NUM_EXAMPLES]])


def joined(opened, latents):
    """Returns all images and maps of latents."""
    return map(np.concatenate, zip(*opened.images_and_maps(latents), strict=True))


def _stand_in(made, masks, seed):
    """Returns a small network from images to logits of each segment, trained on generated images,
    and its IoU on those it was not trained on.
    """
    import keras

    keras.utils.set_random_seed(seed)
    inputs = keras.Input(made.shape[1:])
    near = keras.layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
    far = near
    for filters in (32, 64):
        far = keras.layers.Conv2D(filters, 5, 2, padding="same", activation="relu")(far)
    far = keras.layers.Conv2D(64, 3, padding="same", activation="relu")(far)
    far = keras.layers.Resizing(*made.shape[1:3])(far)
    both = keras.layers.Concatenate()([near, far])
    network = keras.Model(inputs, keras.layers.Conv2D(masks.shape[-1], 3, padding="same")(both))
    network.compile(keras.optimizers.Adam(2e-3), keras.losses.BinaryCrossentropy(from_logits=True))
    kept = len(made) // 5
    network.fit(made[kept:], masks[kept:].astype(np.float32), batch_size=32, epochs=6, verbose=0)
    guessed = network.predict(made[:kept], verbose=0) > 0
    over = guessed | masks[:kept]
    axes = (0, 1, 2)
    return network, (guessed & masks[:kept]).sum(axes) / np.maximum(over.sum(axes), 1)


def _pooled(masks, size):
    """Returns which share of each cell of the map each segment fills, (count, height, width,
    segments).
    """
    import tensorflow as tf

    return tf.image.resize(masks.astype(np.float32), size, method="area").numpy()


def _optimized(opened, stand_in, index, latents, share, values, seed):
    """Returns alpha (units,) that minimizes -ACE + lambda |alpha|^2 (Section 3.2), where ACE is
    what inserting raises at places without the segment, less what ablating leaves at places with
    it.

    The released code reads the effect of both at the places that have the segment; an insertion is
    looked for here where it was made.
    """
    import keras
    import tensorflow as tf

    generator = np.random.default_rng(seed)
    alpha = tf.Variable(tf.fill([opened.shape[-1]], 0.5))
    optimizer = keras.optimizers.Adam(_RATE)
    optimizer.build([alpha])
    nothing = tf.zeros_like(alpha)
    size = opened.model.image_shape[:2]

    def seen(latents, values, places):
        """Returns how much of the segment there is at the places, in [0, 1]."""
        made = opened.edited(latents, alpha, values, places)
        region = _enlarged(places, size)
        guessed = tf.sigmoid(stand_in(made, training=False)[..., index, None])
        return tf.reduce_sum(guessed * region) / tf.reduce_sum(region)

    @tf.function(autograph=False)
    def step(with_it, at_it, without, elsewhere):
        with tf.GradientTape() as tape:
            effect = seen(without, values, elsewhere) - seen(with_it, nothing, at_it)
            objective = -effect + _PENALTY * tf.reduce_sum(alpha**2)
        optimizer.apply([tape.gradient(objective, alpha)], [alpha])
        alpha.assign(tf.clip_by_value(alpha, 0.0, 1.0))

    allowed = [share > 0, share == 0]
    rows = [np.flatnonzero(where.any(axis=(1, 2))) for where in allowed]
    for _ in range(_STEPS):
        chosen = [generator.choice(of, _PLACES) for of in rows]
        drawn = [
            (latents[some], _drawn_places(where[some], generator))
            for some, where in zip(chosen, allowed, strict=True)
        ]
        step(*drawn[0], *drawn[1])
    return alpha.numpy()


def _drawn_places(allowed, generator):
    """Returns a place of each image, (count, height, width, 1) of the map, a square about a cell
    drawn from those allowed, bool (count, height, width).
    """
    places = np.zeros((*allowed.shape, 1), np.float32)
    high, wide = (int(_PLACE * size / 2) for size in allowed.shape[1:])
    for image, cells in enumerate(allowed):
        row, column = generator.choice(np.argwhere(cells))
        rows = slice(max(row - high, 0), row + high + 1)
        places[image, rows, max(column - wide, 0) : column + wide + 1] = 1
    return places


def _enlarged(places, size):
    """Returns places of a map as those of an image, tensor (count, height, width, 1)."""
    import tensorflow as tf

    return tf.image.resize(places, size, method="nearest")


# Units behind artifacts (Section 4.3).


def artifacts_of_run(run, opened, num_units, num_images, seed, chosen=(), data_dir=None):
    """Returns what `artifacts` does, in the feature space that is learned from the run's data; or
    in one sentence, under "skipped", why there is nothing to say.

    Units are looked for by images of the training split, unless numbers of some are given.
    """

    def real(split):
        images = datasets.load(run.dataset, split, run.image_shape, data_dir, run.framing).images
        chosen = np.random.default_rng(seed).permutation(len(images))[:num_images]
        return datasets.to_float(np.asarray(images[np.sort(chosen)]))

    try:
        featurize, about = features.build(
            "learned", run.dataset, run.image_shape, data_dir, run.framing
        )
        images = real("train"), real(datasets.evaluation_split(run.dataset, data_dir))
        found = artifacts(opened, featurize, images, num_units, num_images, seed, chosen)
    except UserError as error:
        return {"skipped": str(error)}
    return {**found, "features": about}


def artifacts(opened, featurize, real, num_units, num_images, seed, chosen=()):
    """Returns the units behind artifacts, and what ablating them does to the Frechet distance: a
    dict to be written as JSON.

    The paper's authors looked for them in the images that activate a unit most; here those images'
    Frechet distance tells, as its appendix suggests, unless the units are given.

    Args:
      opened: OpenGenerator.
      featurize: function from images to features, see `features`.
      real: (real images to choose units by, others to measure with), float32.
      num_units: units to choose.
      num_images: generated images to choose by, and as many others to measure on.
      seed: of all random draws.
      chosen: numbers of units that were chosen by eye, if they were.

    Raises:
      UserError: if there are too few images for a distance.
    """
    spec, count = opened.model.latent_spec, opened.shape[-1]
    generator = np.random.default_rng(seed)
    to_choose, to_measure = (featurize(part) for part in real)
    units = list(chosen)
    try:
        if not units:
            made, maps = joined(opened, spec.sample(num_images, seed + 3))
            featured, activity = featurize(made), maps.mean(axis=(1, 2))
            most = np.argsort(-activity, axis=0)[: int(_ACTIVE_SHARE * num_images)]
            distances = [
                frechet_distance(to_choose, featured[most[:, unit]]) for unit in range(count)
            ]
            units = np.argsort(distances)[::-1][:num_units].tolist()
        latents = spec.sample(num_images, seed + 4)

        def distance(units):
            return frechet_distance(to_measure, featurize(opened.images_with(latents, units)))

        sets = [generator.choice(count, len(units), replace=False) for _ in range(_RANDOM_SETS)]
        return {
            "units": units,
            "frechet_distance": distance([]),
            "without_units": distance(units),
            "without_random_units": [distance(other) for other in sets],
        }
    except ValueError as error:
        raise UserError(
            f"the units behind artifacts need more images: {error}; give a larger --num."
        ) from None
