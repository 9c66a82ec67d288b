"""What scores need of a model and its data, computed once, when first asked for.

Every attribute of `Evidence` that a score in `metrics` names as an argument is a property here.
Memory hardly grows with the number of real images: what is compared image by image is of a sample
of them, and what is only counted is counted part by part.
Nothing in this file needs TensorFlow: a model is a `trained.Trained`, or whatever has of it what a
score asks for.
"""

import functools

import numpy as np
from tqdm import tqdm

from keras_infogan import capabilities, datasets
from keras_infogan.config import UserError
from keras_infogan.metrics.attribute_flips import (
    FEWEST_EXAMPLES,
    NUM_MOVED_IMAGES,
    NUM_TRAINING_IMAGES,
)
from keras_infogan.metrics.consistency import changed_copies
from keras_infogan.metrics.log_likelihood import NUM_IMPORTANCE_IMAGES, NUM_IMPORTANCE_SAMPLES
from keras_infogan.metrics.points import MOST_POINTS

# A large set is generated or read in parts of this many images.
_PART = 1000
_SHOWN_FEATURES = 500  # images of each set, in a picture
# All moved images are held at once: as many as give this many numbers, within limits.
_MOST_MOVES, _FEWEST_MOVES, _MOVED_NUMBERS = 1000, 50, 2**26
_MOST_TRAINING_IMAGES = 60_000
_INTERPOLATIONS, _INTERPOLATION_STEPS = 6, 8


class NotFiniteError(UserError):
    """A model's output is not finite."""


class PerCode(dict):
    """One value per code, each to be scored on its own."""


class Evidence:
    """See the module's docstring.

    A property raises UserError, in one sentence, where a model or its data does not
    have what it takes.

    Images are float32 (count, height, width, channels) in [-1, 1].
    """

    def __init__(
        self,
        model,
        load_images=None,
        load_features=None,
        num_images=10_000,
        seed=0,
        load_target=None,
        load_training=None,
        load_untrained=None,
    ):
        """
        Args:
          model: see the module's docstring.
          load_images: function () -> ImageSet of real images the scores are computed on; None
            if there are none.
          load_features: function () -> (function images -> features, text that says what they are);
            None if there are none.
          num_images: images to generate, and real ones at most to compare them with.
          seed: of all random draws.
          load_target: function () -> ImageSet of the second data set, of a model that learned for
            one; None otherwise.
          load_training: function () -> ImageSet of the images it was trained on, for scores that
            compare real images with them; None if there are none.
          load_untrained: function () -> the same model with the weights that it began with; None
            if it cannot be had.
        """
        self.model, self.latent_spec = model, model.latent_spec
        self._load_images, self._load_features, self._load_target = (
            load and _once(load) for load in (load_images, load_features, load_target)
        )
        self._load_training, self._load_untrained = (
            load and _once(load) for load in (load_training, load_untrained)
        )
        self.num_images, self.seed = num_images, seed

    def gather(self, names):
        """Returns the properties of these names as a dict; a score's arguments."""
        return {name: getattr(self, name) for name in names}

    def has(self, name):
        """Whether some score has asked for a property, and got it."""
        return name in self.__dict__

    def counts(self):
        """Returns how many images of each kind scores were computed on, a dict from a
        text to a number.
        """
        texts = {
            "_answers": "generated images",
            "start_images": "starts of moves",
            "_points": "real images",
            "real_features": "real images in the feature space",
            "reconstructions": "real images reconstructed",
            "likelihood_images": "real images whose likelihood was asked for",
        }
        counted = {text: len(getattr(self, name)) for name, text in texts.items() if self.has(name)}
        if self.has("category_counts"):
            table = next(iter(self.category_counts.values()))
            counted["real images counted by class"] = int(table.sum())
        return {
            f"{text} ({self.image_set.split})"
            if text.startswith("real") and self.image_set.split
            else text: count
            for text, count in counted.items()
        }

    # What the generator draws, and what the recognizer makes of it.

    @functools.cached_property
    def _drawn(self):
        return self.latent_spec.sample(self.num_images, self.seed)

    @functools.cached_property
    def _answers(self):
        capabilities.require(self.model, "encode")
        parts = [
            self._encode(self.generate(part))
            for part in _parts(self._drawn, "generating and reading back")
        ]
        return np.concatenate(parts)

    @functools.cached_property
    def information(self):
        """log Q(c|x) + H(c) in nats per code and generated image."""
        if not self.latent_spec.codes:
            raise UserError("the model has no codes")
        return PerCode(self.latent_spec.mutual_information(self._drawn, self._answers))

    @property
    def drawn_categories(self):
        return self._of_kind(self.latent_spec.values(self._drawn), continuous=False)

    @property
    def read_categories(self):
        return self._of_kind(self.latent_spec.answers(self._answers), continuous=False)

    @property
    def drawn_values(self):
        return self._of_kind(self.latent_spec.values(self._drawn), continuous=True)

    @property
    def read_values(self):
        return self._of_kind(self.latent_spec.answers(self._answers), continuous=True)

    def _of_kind(self, values, continuous):
        chosen = {
            code.name: values[code.name]
            for code in self.latent_spec.codes
            if code.continuous == continuous
        }
        if not chosen:
            raise UserError(f"the model has no {'continuous' if continuous else 'discrete'} code")
        return PerCode(chosen)

    # What moves when one input of the generator is redrawn and all others stay.

    @functools.cached_property
    def start_images(self):
        return self.generate(self._starts)

    @functools.cached_property
    def _starts(self):
        numbers = np.prod(self.generate(self._drawn[:1]).shape) * max(
            len(self.latent_spec.codes), 1
        )
        return self._drawn[: np.clip(_MOVED_NUMBERS // numbers, _FEWEST_MOVES, _MOST_MOVES)]

    @functools.cached_property
    def moved_images(self):
        """The start images with one input redrawn, per code and "noise"."""
        inputs = [code.name for code in self.latent_spec.codes] + ["noise"] * bool(
            self.latent_spec.noise.size
        )
        seeds = np.random.SeedSequence(self.seed).spawn(len(inputs))
        moved = zip(tqdm(inputs, desc="redrawing each input", unit="input"), seeds, strict=True)
        return PerCode(
            {
                name: self.generate(self.latent_spec.redraw(name, self._starts, seed))
                for name, seed in moved
            }
        )

    @property
    def code_changes(self):
        """How far each pixel of the start images moves when a code is redrawn, a dict of float
        (count, pixels).
        """
        starts, moved = self.start_images.reshape(len(self._starts), -1), self.moved_images
        return {
            code.name: moved[code.name].reshape(starts.shape) - starts
            for code in self.latent_spec.codes
        }

    # Real images.

    @property
    def image_set(self) -> datasets.ImageSet:
        """The real images that the model is scored on."""
        if self._load_images is None:
            raise UserError("it needs real images, and this model comes without a data set")
        return self._load_images()

    @functools.cached_property
    def _points(self):
        """Indices of the real images whose codes are held at once, in random order."""
        return self._sample(self.image_set, MOST_POINTS)

    def _sample(self, image_set, most):
        """Returns indices of images in a set, at most so many, in random order."""
        order = np.random.default_rng(self.seed).permutation(len(image_set.images))
        return order[:most].copy()  # not a view of the whole

    @functools.cached_property
    def _real_parameters(self):
        """What the recognizer says of the real images, (count, latent_spec.total_parameters)."""
        capabilities.require(self.model, "encode")
        parts = [
            self._encode(self._real(part)) for part in _parts(self._points, "reading real images")
        ]
        return np.concatenate(parts)

    @property
    def _real_answers(self):
        """What it takes each code to be, a dict from code name to (count,)."""
        return self.latent_spec.answers(self._real_parameters)

    @property
    def read_vectors(self):
        """What the recognizer says of each real image as a point, float (count, size): means of
        continuous codes, probabilities of discrete ones.
        """
        return self._as_points(self._real_parameters)

    def _as_points(self, parameters):
        if not self.latent_spec.codes:
            raise UserError("the model has no codes")
        parts = self.latent_spec.unpack_parameters(parameters)
        return np.concatenate(
            [_as_point(code, parts[code.name]) for code in self.latent_spec.codes],
            axis=1,
        )

    @property
    def labels(self):
        if self.image_set.labels is None:
            raise UserError("the data set has no labels")
        return np.asarray(self.image_set.labels)[self._points]

    @property
    def categories(self):
        """The category, or bit, that the recognizer gives each real image, per discrete code."""
        return self._of_kind(self._real_answers, continuous=False)

    @functools.cached_property
    def category_counts(self):
        """How many of all real images of a class have a category, or bit, per discrete code, int
        (classes, categories).
        """
        if self.image_set.labels is None:
            raise UserError("the data set has no labels")
        capabilities.require(self.model, "encode")
        labels, classes = np.asarray(self.image_set.labels), len(self.image_set.label_names)
        codes = self._of_kind(
            {code.name: code for code in self.latent_spec.codes}, continuous=False
        ).values()
        counts = {code.name: np.zeros((classes, code.num_values), int) for code in codes}
        for part, answers in self._all_real_answers():
            for name, table in counts.items():
                np.add.at(table, (labels[part], answers[name]), 1)
        return PerCode(counts)

    def _all_real_answers(self):
        """Yields indices of real images in parts, and what the recognizer takes each code to be."""
        if len(self._points) == len(self.image_set.images):
            yield self._points, self._real_answers
            return
        for part in _parts(range(len(self.image_set.images)), "reading all real images"):
            yield part, self.latent_spec.answers(self._encode(self._real(part)))

    @functools.cached_property
    def categories_of_copies(self):
        """The same of a changed copy of each."""
        capabilities.require(self.model, "encode")
        self._of_kind(dict.fromkeys(code.name for code in self.latent_spec.codes), continuous=False)
        generator = np.random.default_rng(self.seed)
        parts = [
            self._encode(changed_copies(self._real(part), generator))
            for part in _parts(self._points, "reading moved copies")
        ]
        return self._of_kind(self.latent_spec.answers(np.concatenate(parts)), continuous=False)

    @property
    def factors(self):
        if self.image_set.factors is None:
            raise UserError("the data set has no ground-truth factors")
        return np.asarray(self.image_set.factors)[self._points]

    @property
    def codes(self):
        """What the recognizer takes each code to be, float (count, codes): a category's index,
        a bit, or a mean; of a vector each number.
        """
        return np.column_stack([*self._real_answers.values()]).astype(np.float64)

    @functools.cached_property
    def _labeled_sets(self):
        """Real images with labels to classify, a dict from a part's name to ImageSet: "source" and
        "target" of a model that learned for a second data set, or "".
        """
        capabilities.require(self.model, "classify")
        sets = {"": self.image_set}
        if self._load_target:
            sets = {"source": self.image_set, "target": self._load_target()}
        labeled = {part: found for part, found in sets.items() if found.labels is not None}
        if not labeled:
            raise UserError("the data set has no labels")
        return labeled

    @functools.cached_property
    def class_counts(self):
        """How many images of a class are taken for another, per set, int (true classes, predicted
        classes).
        """
        # Of a model that classifies by likelihood pixels are drawn as for that.
        binary = (self.model.likelihood or {}).get("binary")
        generator = np.random.default_rng(self.seed)

        def classified(images):
            shown = datasets.to_float(np.asarray(images))
            shown = datasets.binarized(shown, generator) if binary else shown
            return self.model.classify(shown).argmax(axis=-1)

        counts = PerCode()
        for name, found in self._labeled_sets.items():
            labels, classes = np.asarray(found.labels), len(self.model.classes)
            # The images may be of classes that the model does not know.
            counts[name] = np.zeros((max(classes, len(found.label_names)), classes), int)
            for part in _parts(range(len(labels)), f"classifying images {name}".rstrip()):
                np.add.at(counts[name], (labels[part], classified(found.images[part])), 1)
        return counts

    @property
    def domains(self):
        """Hidden features of a few images of each labeled set, before training and after, a dict
        from "before training" and "after" to dicts from a set's name to features, float (count,
        size), and labels, int (count,).
        """
        if not (self._load_target and self._load_untrained and self.model.has_hidden):
            raise UserError("the model has no features of two data sets")
        if len(self._labeled_sets) < 2:
            raise UserError("one of the data sets has no labels")
        models = {"before training": self._load_untrained(), "after": self.model}
        generator, shown = np.random.default_rng(self.seed), {}
        for part, found in self._labeled_sets.items():
            # Drawn: the images of a folder lie class by class.
            count = min(len(found.images), _SHOWN_FEATURES)
            rows = np.sort(generator.choice(len(found.images), count, replace=False))
            images = datasets.to_float(np.asarray(found.images[rows]))
            shown[part] = images, np.asarray(found.labels)[rows]
        return {
            name: {part: (model.hidden(images), labels) for part, (images, labels) in shown.items()}
            for name, model in models.items()
        }

    # Recordings of words.

    @property
    def vectors(self):
        """What the model encodes of each recording, per vector, and the recordings themselves,
        "features"; all (count, size).
        """
        vectors = {name: answer for name, answer in self._real_answers.items() if answer.ndim == 2}
        if not vectors:
            raise UserError("the model encodes no vectors")
        features = self._real(self._points).reshape(len(self._points), -1)
        return PerCode({**vectors, "features": features})

    @property
    def words(self):
        """Which word each recording is of."""
        return self.labels

    @property
    def speakers(self):
        """Who speaks in each recording."""
        if self.image_set.speakers is None:
            raise UserError("the data set does not say who speaks")
        return np.asarray(self.image_set.speakers)[self._points]

    @functools.cached_property
    def real_images(self):
        """Real images as the model takes them, those that features are computed of too."""
        return self._real(self._chosen)

    @functools.cached_property
    def reconstructions(self):
        """What the model generates from what the real images encode to."""
        capabilities.require(self.model, "reconstruct")
        return np.concatenate(
            [
                self.model.reconstruct(part)
                for part in _parts(self.real_images, "reconstructing real images")
            ]
        )

    @functools.cached_property
    def interpolations(self):
        """Real images in pairs, and what is generated on the straight way from the encoding of one
        to that of the other: (pairs, columns, height, width, channels), the real ones first and
        last.
        """
        capabilities.require(self.model, "reconstruct")
        count = min(_INTERPOLATIONS, len(self.real_images) // 2)
        if not count:
            raise UserError("it needs two real images")
        pairs = self.real_images[: 2 * count].reshape(count, 2, *self.real_images.shape[1:])
        first, last = (self._latents(pairs[:, end]) for end in (0, 1))
        shares = np.linspace(0, 1, _INTERPOLATION_STEPS, dtype=np.float32)[None, :, None]
        way = first[:, None] * (1 - shares) + last[:, None] * shares
        make = self.generate if "generate" in self.model.capabilities else self.model.decode
        steps = make(way.reshape(-1, way.shape[-1]))
        steps = steps.reshape(count, _INTERPOLATION_STEPS, *steps.shape[1:])
        return np.concatenate([pairs[:, :1], steps, pairs[:, 1:]], axis=1)

    @functools.cached_property
    def reconstructed_features(self):
        function, _ = self.feature_space
        return np.concatenate(
            [function(part) for part in _parts(self.reconstructions, "features of reconstructions")]
        )

    # The images that it was trained on, for what real images are compared with.

    @property
    def training_set(self) -> datasets.ImageSet:
        if self._load_training is None:
            raise UserError("it needs the images that the model was trained on")
        return self._load_training()

    @functools.cached_property
    def _training_points(self):
        """Indices of training images, at most 60,000, in random order."""
        return self._sample(self.training_set, _MOST_TRAINING_IMAGES)

    @property
    def training_labels(self):
        if self.training_set.labels is None:
            raise UserError("the training images have no labels")
        return np.asarray(self.training_set.labels)[self._training_points]

    @property
    def representations(self):
        """Training and real images as vectors, an iterable of (what gives these, those of training
        images, those of real images), each float (count, size).
        """
        capabilities.require(self.model, "encode")
        return self._representations()

    def _representations(self):
        givers = {"pixels": lambda images: images.reshape(len(images), -1)}
        models = {"": self.model}
        if self._load_untrained:
            models["untrained_"] = self._load_untrained()
        for prefix, model in models.items():
            givers[f"{prefix}encoder"] = lambda images, model=model: self._as_points(
                model.encode(images)
            )
            if model.has_hidden:
                givers[f"{prefix}hidden"] = model.hidden
        sets = (self.training_set, self._training_points), (self.image_set, self._points)
        for name, give in givers.items():
            vectors = (
                [
                    give(datasets.to_float(np.asarray(image_set.images[part])))
                    for part in _parts(indices, f"{name} of real images")
                ]
                for image_set, indices in sets
            )
            yield (name, *map(np.concatenate, vectors))

    @property
    def _taught(self):
        """Indices of the training images that attributes are learned from."""
        return np.sort(self._training_points[:NUM_TRAINING_IMAGES])

    @functools.cached_property
    def training_images(self):
        """Training images, as many as attributes are learned from."""
        return datasets.to_float(np.asarray(self.training_set.images[self._taught]))

    @functools.cached_property
    def training_attributes(self):
        """Which of `training_images` have each yes-or-no factor, a dict from its name to bool
        (count,).
        """
        image_set = self.training_set
        if image_set.factors is None:
            raise UserError("the data set has no ground-truth factors")
        factors = np.asarray(image_set.factors)[self._taught]
        columns = zip(image_set.factor_names, factors.T, strict=True)
        return {
            name: column == 1
            for name, column in columns
            if np.isin(column, (0, 1)).all()
            and min((column == 0).sum(), (column == 1).sum()) >= FEWEST_EXAMPLES
        }

    @property
    def attribute_moves(self):
        """What is generated from real images without an attribute, an iterable of (attribute, as
        they are encoded, moved along the attribute's vector, as far at random).
        """
        capabilities.require(self.model, "reconstruct")
        return self._attribute_moves()

    def _attribute_moves(self):
        learned_from = self._latents(self.training_images)
        generator, names = np.random.default_rng(self.seed), list(self.image_set.factor_names)
        attributes = tqdm(self.training_attributes.items(), desc="moving", unit="attribute")
        for name, has in attributes:
            vector = learned_from[has].mean(axis=0) - learned_from[~has].mean(axis=0)
            other = generator.standard_normal(vector.shape).astype(np.float32)
            other *= np.linalg.norm(vector) / np.linalg.norm(other)
            without = np.flatnonzero(np.asarray(self.image_set.factors)[:, names.index(name)] == 0)
            if not len(without):
                continue
            latents = self._latents(self._real(without[:NUM_MOVED_IMAGES]))
            yield (name, *(self.generate(latents + move) for move in (0, vector, other)))

    def _latents(self, images):
        """Returns the latent vectors that images encode to, the likeliest value of each code."""
        parts = [self._encode(part) for part in _parts(images, "encoding")]
        return self.latent_spec.assembled(self.latent_spec.outputs(np.concatenate(parts)))

    @functools.cached_property
    def likelihood_images(self):
        """Real images as the model's likelihood takes them: where its pixels are binary, drawn
        black or white from their gray levels.
        """
        capabilities.require(self.model, "log_likelihood")
        images = self.real_images
        if not self.model.likelihood["binary"]:
            return images
        return datasets.binarized(images, self.seed)

    @functools.cached_property
    def likelihoods(self):
        """Nats per image, by how they were had: "exact", or "bound" and "importance_sampled"."""
        images = self.likelihood_images
        if self.model.likelihood["exact"]:
            return {"exact": self._log_likelihoods(images, 1)}
        sampled = self._log_likelihoods(images[:NUM_IMPORTANCE_IMAGES], NUM_IMPORTANCE_SAMPLES)
        return {"bound": self._log_likelihoods(images, 1), "importance_sampled": sampled}

    def _log_likelihoods(self, images, num_samples):
        size = max(_PART // num_samples, 50)  # so that progress shows
        starts = tqdm(
            range(0, len(images), size),
            desc=f"likelihoods by {num_samples} draws",
            unit=f"x{size}",
            leave=False,
        )
        return np.concatenate(
            [
                self.model.log_likelihood(
                    images[start : start + size], self.seed + start * num_samples, num_samples
                )
                for start in starts
            ]
        )

    @property
    def pixel_levels(self):
        """How many values a pixel's channel has for the model's likelihood; 0: it is a density."""
        capabilities.require(self.model, "log_likelihood")
        return 2 if self.model.likelihood["binary"] else self.model.likelihood.get("levels", 0)

    # Features.

    @property
    def feature_space(self) -> tuple:
        """(function, text): see `features`."""
        if self._load_features is None:
            raise UserError(
                "it needs a feature space, and this model comes without a data set to make one from"
            )
        return self._load_features()

    @functools.cached_property
    def _chosen(self):
        return np.sort(
            np.random.default_rng(self.seed).permutation(len(self.image_set.images))[
                : self.num_images
            ]
        )

    @functools.cached_property
    def real_features(self):
        # Before a feature space is made for it.
        capabilities.require(self.model, "generate")
        function, _ = self.feature_space
        return np.concatenate(
            [function(self._real(part)) for part in _parts(self._chosen, "features of real images")]
        )

    @property
    def real_labels(self):
        """The classes of the images in `real_features`."""
        if self.image_set.labels is None:
            raise UserError("the data set has no labels")
        return np.asarray(self.image_set.labels)[self._chosen]

    @functools.cached_property
    def generated_features(self):
        function, _ = self.feature_space
        drawn = self._drawn[: len(self.real_features)]
        return np.concatenate(
            [
                function(self.generate(part))
                for part in _parts(drawn, "features of generated images")
            ]
        )

    # The model, checked.

    def generate(self, latents):
        """Returns the images of latent vectors (count, latent_spec.size); raises UserError if
        they are not finite.
        """
        images = self.model.generate(latents)
        _check_finite(images, "the generator's images")
        return images

    def _encode(self, images):
        parameters = self.model.encode(images)
        _check_finite(parameters, "the recognizer's outputs")
        return parameters

    def _real(self, indices):
        return datasets.to_float(np.asarray(self.image_set.images[indices]))


def _once(load):
    """Returns a function that runs `load` when first called, and gives or raises the same ever
    after: a failed download is not tried for every score.
    """

    @functools.cache
    def outcome():
        try:
            return load()
        except UserError as error:
            return error

    def get():
        found = outcome()
        if isinstance(found, UserError):
            raise found
        return found

    return get


def _as_point(code, parameters):
    """Returns what a recognizer says of a code as columns, (count, size)."""
    if code.continuous is None:  # a vector, which is one already
        return parameters
    return code.answer(parameters)[:, None] if code.continuous else code.probabilities(parameters)


def _parts(values, about):
    for start in tqdm(range(0, len(values), _PART), desc=about, unit=f"x{_PART}", leave=False):
        yield values[start : start + _PART]


def _check_finite(values, what):
    wrong = len(values) - np.isfinite(values.reshape(len(values), -1)).all(axis=1).sum()
    if wrong:
        raise NotFiniteError(
            f"{what} are not finite for {wrong} of {len(values)} inputs; "
            "the model cannot be scored on them"
        )
