"""The codes c: kinds of meaningful inputs, each with its prior P(c), and what a recognizer's answer
Q(c|x) says about it.

A code answers every question about itself: its prior and entropy H(c), how it stands in a latent
vector, as which tensor a program hands it over, which values are valid, how many parameters Q gives
it and what they say. Nobody else asks for its kind; what differs in more than one place is an
attribute (`continuous`, `has_categories`). Another kind is a class here and a line in `KINDS`.

Functions on numpy arrays serve pictures and programs that never load TensorFlow; `draw` makes
tensors and imports it when called; the others work on either.
"""

import dataclasses
import functools
import math
import types
from typing import Any

import numpy as np

from keras_infogan.config import UserError

# Beyond it float32 has infinity.
LARGEST = float(np.finfo(np.float32).max)
GRAY_TOLERANCE = 5e-3  # of black and white in [0, 1]: the next one of 256 levels passes
SUM_TOLERANCE = 1e-3  # of blending weights; images of other programs may round past 1 as far


def operations(values):
    """Returns the operations of the library that `values` belong to: keras.ops for tensors; for
    arrays, those that are needed here and in contracts.
    """
    if isinstance(values, np.ndarray):
        return _array_operations()
    from keras import ops

    return ops


@functools.cache
def _array_operations():
    from scipy import special

    return types.SimpleNamespace(
        all=np.all,
        cast=lambda values, dtype: values.astype(dtype),
        clip=np.clip,
        concatenate=np.concatenate,
        cos=np.cos,
        exp=np.exp,
        log=np.log,
        sqrt=np.sqrt,
        sum=np.sum,
        square=np.square,
        sigmoid=special.expit,
        softmax=special.softmax,
        log_sigmoid=special.log_expit,
        log_softmax=special.log_softmax,
    )


def within(values, low, high):
    """Returns whether each number lies between two limits, which are allowed themselves;
    not-a-number does not.
    """
    return (values >= low) & (values <= high)


# Changes of an image (see augment), of each of which one number says how much, that a continuous
# code can learn.
GUIDES = (
    *("rotate", "shear", "aspect", "flip"),
    *("brightness", "contrast", "saturation", "warmth", "side_light"),
)


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A named input or output of a program; `shape` is that of one image's part of the batch."""

    name: str
    type: str
    shape: tuple = ()


@dataclasses.dataclass(frozen=True)
class Posterior:
    """The Gaussian family of Q(c|x) for continuous codes: its standard deviation is fixed, or
    learned between two limits.

    Learned, log(std) moves smoothly between the logarithms of the limits, so it can always come
    back from either. The default lower limit 1/sqrt(2 pi) is where the density of Q reaches 1: log
    Q(c|x) is then never positive, and the information bound reaches H(c) at best, as for a discrete
    code. (A continuous code may truly carry more than its differential entropy; a lower limit lets
    the bound show it.)
    """

    std: float = 0.0  # 0 means learned
    min_std: float = 1 / math.sqrt(2 * math.pi)
    max_std: float = 1.0

    @property
    def learned(self):
        return self.std == 0

    @property
    def num_parameters(self):
        return 2 if self.learned else 1

    def log_std(self, parameters):
        """Returns log(std), (batch, 1), from Q's parameters (batch, 1 or 2)."""
        if not self.learned:
            return math.log(self.std) + 0 * parameters[:, :1]
        low, high = math.log(self.min_std), math.log(self.max_std)
        return low + (high - low) * operations(parameters).sigmoid(parameters[:, 1:])


@dataclasses.dataclass(frozen=True)
class LogVariancePosterior:
    """The Gaussian family of an encoder that gives a mean and a log variance (Kingma and Welling
    2013, arXiv 1312.6114, Appendix C.2), clipped to +-10.
    """

    num_parameters = 2
    limit = 10.0

    def log_variance(self, parameters):
        """Returns a log variance that an encoder gives, of any shape, clipped."""
        return operations(parameters).clip(parameters, -self.limit, self.limit)

    def log_std(self, parameters):
        """Returns log(std), (batch, 1), from a mean and a log variance (batch, 2)."""
        return 0.5 * self.log_variance(parameters[:, 1:])


POSTERIORS = {"bounded": Posterior, "log_variance": LogVariancePosterior}


def posterior_to_json(posterior):
    """Returns a posterior as JSON; `posterior_from_json` reads it."""
    family = next(name for name, kind in POSTERIORS.items() if type(posterior) is kind)
    return {"family": family, **dataclasses.asdict(posterior)}


def posterior_from_json(content):
    """Returns the posterior that `posterior_to_json` wrote; keys that are not known are ignored.

    Raises:
      UserError: if it is of a later version.
      KeyError, TypeError, ValueError: if it is damaged.
    """
    if content["family"] not in POSTERIORS:
        raise UserError(
            f"the posterior {str(content['family'])[:60]!r} is not known here; update "
            "keras-infogan to the version that exported this."
        )
    kind = POSTERIORS[content["family"]]
    return kind(**{field.name: float(content[field.name]) for field in dataclasses.fields(kind)})


class _Discrete:
    """What codes with a fixed number of values share."""

    continuous = False
    has_categories = False
    name: str
    num_values: Any
    _weights_shape: tuple

    def input(self, form="index"):
        """Returns the Tensor that a program hands over: an index, or with "weights"
        what blends values.
        """
        return (
            Tensor(self.name, "int64")
            if form == "index"
            else Tensor(self.name, "float32", self._weights_shape)
        )

    @property
    def output_tensors(self):
        """What a recognizer says of the code: the likeliest value, and the probability of each."""
        return [
            Tensor(self.name, "int64"),
            Tensor(f"{self.name}_probabilities", "float32", (self.num_values,)),
        ]

    def outputs(self, parameters, posterior):
        """Returns what `output_tensors` names, of Q's parameters (batch, num_parameters)."""
        probabilities = self.probabilities(parameters)
        return {self.name: _argmax(probabilities), f"{self.name}_probabilities": probabilities}

    def describe(self, parameters, posterior):
        """Returns the columns of Q's answer in a table: the likeliest value and its probability."""
        return {
            self.name: self.answer(parameters),
            f"{self.name}_probability": self.probabilities(parameters).max(axis=-1),
        }

    def answer(self, parameters):
        """Returns the likeliest value, int (batch,), of Q's parameters (batch, num_parameters)."""
        raise NotImplementedError

    def probabilities(self, parameters):
        """Returns the probability of each value, (batch, num_values), of Q's parameters
        (batch, num_parameters).
        """
        raise NotImplementedError

    def _valid_index(self, values):
        return within(values, 0, self.num_values - 1), f"an integer from 0 to {self.num_values - 1}"


@dataclasses.dataclass(frozen=True)
class Categorical(_Discrete):
    """One of K categories, all equally likely; H(c) = ln K. Q gives K logits."""

    name: str
    num_categories: int
    weight: float = 1.0
    kind = "categorical"
    has_categories = True

    @property
    def size(self):
        return self.num_categories

    num_parameters = num_values = size

    @property
    def _weights_shape(self):
        return (self.num_categories,)

    @property
    def entropy(self):
        return math.log(self.num_categories)

    @property
    def prior(self):
        """The prior, for people."""
        return f"{self.num_categories} categories"

    @property
    def example(self):
        """A value to ask for in examples."""
        return self.num_categories // 2

    def sample(self, generator, count):
        """Returns `count` codes from the prior, numpy float32 (count, size)."""
        return np.eye(self.num_categories, dtype=np.float32)[
            generator.integers(self.num_categories, size=count)
        ]

    def draw(self, seed, count):
        """Returns `count` codes from the prior, a tensor float32 (count, size), from an
        int32 (2,) seed.
        """
        import tensorflow as tf

        return tf.one_hot(
            tf.random.stateless_uniform((count,), seed, maxval=self.num_categories, dtype=tf.int32),
            self.num_categories,
        )

    def log_prob(self, codes, parameters, posterior):
        """Returns log Q(c|x), float32 (batch,), for one-hot codes (batch, K) and
        logits (batch, K).
        """
        ops = operations(parameters)
        return ops.sum(codes * ops.log_softmax(parameters, axis=-1), axis=-1)

    def traversal(self, num_columns):
        """Returns the values of a traversal (one-hots, one per category), the text of each, and
        whether each lies in the range the code is trained on.
        """
        return (
            np.eye(self.num_categories, dtype=np.float32),
            [str(index) for index in range(self.num_categories)],
            [True] * self.num_categories,
        )

    def ends(self):
        """Returns the first and the last value the code can take, (2, K)."""
        ends = np.zeros((2, self.num_categories), np.float32)
        ends[0, 0] = ends[1, -1] = 1
        return ends

    def value(self, codes):
        """Returns the category, int (batch,), that one-hot codes (batch, K) stand for."""
        return codes.argmax(axis=-1)

    def vector(self, values):
        """Returns codes, float32 (batch, K), of what `input` takes: int64 (batch,), or weights
        (batch, K). Works on arrays and tensors.
        """
        if len(values.shape) == 2:
            return values
        # Not one_hot: as ONNX it would take -1 for the last category, and not every runtime has it.
        return operations(values).cast(values[:, None] == np.arange(self.num_categories), "float32")

    def answer(self, parameters):
        """Returns the likeliest category, int (batch,), of Q's logits (batch, K)."""
        return parameters.argmax(axis=-1)

    def probabilities(self, parameters):
        """Returns the probability of each category, (batch, K), of Q's logits (batch, K)."""
        return operations(parameters).softmax(parameters, axis=-1)

    def log_probabilities(self, parameters):
        """Returns the logarithms of `probabilities`."""
        return operations(parameters).log_softmax(parameters, axis=-1)

    @property
    def prior_probabilities(self):
        """Probability of each value under the prior, a tuple."""
        return (1 / self.num_categories,) * self.num_categories

    def valid(self, values):
        """Returns whether each image's input is valid, bool (batch,), and what is
        expected, a text.
        """
        if len(values.shape) == 1:
            return self._valid_index(values)
        ops = operations(values)
        sums = within(ops.sum(values, axis=1), 1 - SUM_TOLERANCE, 1 + SUM_TOLERANCE)
        return sums & ops.all(within(values, 0.0, 1.0), axis=1), "weights from 0 to 1 that sum to 1"

    def given(self, value, num):
        """Returns `num` inputs of what a person asks for: int64 (num,), or weights, float32
        (num, K), of a dict from category to weight.

        Raises:
          UserError: if the code has no such value.
        """
        if isinstance(value, dict):
            return np.tile(self._blend(value), (num, 1))
        array = _numbers(self.name, value, num)
        _check_range(self, array, value)
        if not np.all(array == np.round(array)):
            last = self.num_values - 1
            raise UserError(
                f"{self.name}: expected an integer from 0 to {last}, received {value!r}; to blend "
                f"give weights, like {{0: 0.5, {last}: 0.5}}."
            )
        return array.astype(np.int64)

    def _blend(self, weights_of_categories):
        weights = np.zeros(self.num_categories, np.float32)
        for category, weight in weights_of_categories.items():
            if (
                not is_integer(category)
                or not 0 <= category < self.num_categories
                or not isinstance(weight, (int, float, np.number))
            ):
                raise UserError(
                    f"{self.name}: expected a category from 0 to {self.num_categories - 1} and "
                    f"its weight, received {category!r}: {weight!r}."
                )
            weights[category] = weight
        if not (
            weights.min() >= 0 and weights.max() <= 1 and abs(weights.sum() - 1) <= SUM_TOLERANCE
        ):
            raise UserError(
                f"{self.name}: expected weights of at least 0 that sum to 1, received "
                f"{weights_of_categories!r}."
            )
        return weights

    def to_json(self):
        """Returns what a contract says of the code; `from_json` reads it."""
        weights = {
            "type": "float32",
            "shape": ["batch", self.num_categories],
            "range": [0, 1],
            "meaning": "the share of each category; they sum to 1",
        }
        about = {
            "name": self.name,
            "kind": self.kind,
            "type": "int64",
            "shape": ["batch"],
            "range": [0, self.num_categories - 1],
            "weights": weights,
        }
        return about | {
            "prior": f"each with probability 1/{self.num_categories}",
            "meaning": f"which of {self.num_categories} categories",
        }

    @classmethod
    def from_json(cls, content):
        return cls(content["name"], int(content["range"][1]) + 1)


@dataclasses.dataclass(frozen=True)
class Bernoulli(_Discrete):
    """A binary code that is 1 with `probability`; H(c) = -p ln p - (1-p) ln(1-p).

    Q gives one logit.
    """

    name: str
    probability: float = 0.5
    weight: float = 1.0
    kind = "bernoulli"
    size = num_parameters = 1
    num_values = 2
    prior = "0 or 1"
    example = 1
    _weights_shape = ()

    @property
    def entropy(self):
        return -self.probability * math.log(self.probability) - (1 - self.probability) * math.log(
            1 - self.probability
        )

    def sample(self, generator, count):
        return (generator.random((count, 1)) < self.probability).astype(np.float32)

    def draw(self, seed, count):
        import tensorflow as tf

        return tf.cast(tf.random.stateless_uniform((count, 1), seed) < self.probability, tf.float32)

    def log_prob(self, codes, parameters, posterior):
        """Returns log Q(c|x), float32 (batch,), for codes in {0, 1} (batch, 1) and
        logits (batch, 1).
        """
        ops = operations(parameters)
        return ops.sum(
            codes * ops.log_sigmoid(parameters) + (1 - codes) * ops.log_sigmoid(-parameters),
            axis=-1,
        )

    def traversal(self, num_columns):
        return np.array([[0.0], [1.0]], np.float32), ["0", "1"], [True, True]

    def ends(self):
        return np.array([[0.0], [1.0]], np.float32)

    def value(self, codes):
        """Returns the bit, int (batch,), of codes (batch, 1)."""
        return codes[:, 0].astype(int)

    def vector(self, values):
        """Returns codes, float32 (batch, 1), of bits or numbers between (batch,)."""
        return operations(values).cast(values, "float32")[:, None]

    def answer(self, parameters):
        """Returns the likelier bit, int (batch,), of Q's logits (batch, 1)."""
        return (parameters[:, 0] > 0).astype(int)

    def probabilities(self, parameters):
        """Returns the probabilities of 0 and 1, (batch, 2), of Q's logits (batch, 1)."""
        ops = operations(parameters)
        return ops.concatenate([ops.sigmoid(-parameters), ops.sigmoid(parameters)], axis=-1)

    def log_probabilities(self, parameters):
        """Returns the logarithms of `probabilities`."""
        ops = operations(parameters)
        return ops.concatenate([ops.log_sigmoid(-parameters), ops.log_sigmoid(parameters)], axis=-1)

    @property
    def prior_probabilities(self):
        """Probability of 0 and of 1 under the prior, a tuple."""
        return 1 - self.probability, self.probability

    def valid(self, values):
        return (
            self._valid_index(values)
            if "int" in str(values.dtype)
            else (within(values, 0.0, 1.0), "a number from 0 to 1")
        )

    def given(self, value, num):
        """Returns `num` inputs of what a person asks for: int64 (num,), or numbers between the two
        values, float32 (num,).
        """
        _refuse_weights(self, value)
        array = _numbers(self.name, value, num)
        _check_range(self, array, value)
        return array.astype(np.int64 if np.all(array == np.round(array)) else np.float32)

    def to_json(self):
        weights = {
            "type": "float32",
            "shape": ["batch"],
            "range": [0, 1],
            "meaning": "between the two values",
        }
        about = {
            "name": self.name,
            "kind": self.kind,
            "type": "int64",
            "shape": ["batch"],
            "range": [0, 1],
            "weights": weights,
        }
        return about | {
            "probability": self.probability,
            "prior": f"1 with probability {self.probability}",
            "meaning": "one of two values",
        }

    @classmethod
    def from_json(cls, content):
        # Contract 1 has the probability in its text only.
        return cls(content["name"], float(content.get("probability", content["prior"].split()[-1])))


@dataclasses.dataclass(frozen=True)
class Uniform:
    """A continuous code, U(-1, 1); H(c) = ln 2. Q gives a mean and, if learned, a deviation.

    Attributes:
      guide: a change in GUIDES that it learns from real images, and by how much of it an image
        changes when the code goes up by 1; None: it is free.
    """

    name: str
    weight: float = 1.0
    guide: tuple | None = None
    kind = "uniform"
    continuous = True
    has_categories = False
    size = 1
    num_values = None
    entropy = math.log(2)
    prior = "U(-1, 1)"
    trained_range = (-1, 1)
    example = 0.5

    def input(self, form="index"):
        """Returns the Tensor that a program hands over, in every form the same."""
        return Tensor(self.name, "float32")

    @property
    def output_tensors(self):
        """What a recognizer says of the code: the mean of its Gaussian posterior, and the
        standard deviation.
        """
        return [Tensor(self.name, "float32"), Tensor(f"{self.name}_std", "float32")]

    def sample(self, generator, count):
        return generator.uniform(-1, 1, (count, 1)).astype(np.float32)

    def draw(self, seed, count):
        import tensorflow as tf

        return tf.random.stateless_uniform((count, 1), seed, minval=-1.0, maxval=1.0)

    def log_prob(self, codes, parameters, posterior):
        """Returns log Q(c|x), float32 (batch,): a Gaussian density at the codes (batch, 1)."""
        ops = operations(parameters)
        log_std = posterior.log_std(parameters)
        squares = ops.square((codes - parameters[:, :1]) * ops.exp(-log_std))
        return ops.sum(-0.5 * squares - log_std - 0.5 * math.log(2 * math.pi), axis=-1)

    def traversal(self, num_columns):
        """Returns evenly spaced values from -2 to 2 (the plotting range of the paper's Figure 2),
        (num_columns, 1), their texts, and which are trained on.
        """
        values = np.linspace(-2, 2, num_columns, dtype=np.float32)[:, None]
        return (
            values,
            [f"{value:+.1f}" for value in values[:, 0]],
            self.in_trained_range(values[:, 0]),
        )

    def in_trained_range(self, values):
        """Returns whether each value lies where the prior does."""
        return [bool(abs(value) <= 1) for value in values]

    def ends(self):
        """Returns both ends of the range the code is drawn from, (2, 1); of an unbounded one, where
        all but 0.3% of draws lie between.
        """
        return np.array([[-1.0], [1.0]], np.float32)

    def value(self, codes):
        """Returns the number, float (batch,), of codes (batch, 1)."""
        return codes[:, 0]

    def vector(self, values):
        """Returns codes, float32 (batch, 1), of numbers (batch,)."""
        return operations(values).cast(values, "float32")[:, None]

    def answer(self, parameters):
        """Returns the mean of Q, float (batch,)."""
        return parameters[:, 0]

    def outputs(self, parameters, posterior):
        return {
            self.name: parameters[:, 0],
            f"{self.name}_std": operations(parameters).exp(posterior.log_std(parameters)[:, 0]),
        }

    describe = outputs

    def valid(self, values):
        # Not is_finite, which ONNX lacks.
        return within(values, -LARGEST, LARGEST), "finite numbers"

    def given(self, value, num):
        """Returns `num` inputs of what a person asks for, float32 (num,)."""
        _refuse_weights(self, value)
        array = _numbers(self.name, value, num)
        if not np.all(np.abs(array) <= LARGEST):
            raise UserError(f"{self.name}: expected finite numbers, received {value!r}.")
        return array.astype(np.float32)

    def to_json(self):
        about = {"name": self.name, "kind": self.kind, "type": "float32", "shape": ["batch"]}
        about |= {"range": self.trained_range and list(self.trained_range), "prior": self.prior}
        if self.guide:
            about["guide"] = {"change": self.guide[0], "unit": self.guide[1]}
        return about | {
            "meaning": (
                "how much of one property; any finite number is taken, and beyond what the prior "
                "draws the generator extrapolates"
            )
        }

    @classmethod
    def from_json(cls, content):
        guide = content.get("guide")
        return cls(content["name"], guide=guide and (str(guide["change"]), float(guide["unit"])))


@dataclasses.dataclass(frozen=True)
class Gaussian(Uniform):
    """A continuous code, N(0, 1); H(c) = ln(2 pi e) / 2 = 1.419.

    The same Gaussian posterior as a uniform code's.
    """

    kind = "gaussian"
    entropy = 0.5 * math.log(2 * math.pi * math.e)
    prior = "N(0, 1)"
    trained_range = None

    def in_trained_range(self, values):
        return [True] * len(values)

    def ends(self):
        return np.array([[-3.0], [3.0]], np.float32)

    def sample(self, generator, count):
        return generator.standard_normal((count, 1)).astype(np.float32)

    def draw(self, seed, count):
        import tensorflow as tf

        return tf.random.stateless_normal((count, 1), seed)


@dataclasses.dataclass(frozen=True)
class Vector:
    """What an encoder makes of an input, `size` numbers that mean something together only: it is
    read, not drawn, so that it has no prior and no entropy. Q gives the numbers themselves.
    """

    name: str
    size: int
    kind = "vector"
    continuous = None  # neither one number nor one of some values
    has_categories = False
    num_values = None

    @property
    def num_parameters(self):
        return self.size

    @property
    def prior(self):
        """What there is in place of a prior, for people."""
        return f"{self.size} numbers"

    @property
    def example(self):
        """A value to ask for in examples."""
        return [0.0] * self.size

    def input(self, form="index"):
        """Returns the Tensor that a program hands over, in every form the same."""
        return Tensor(self.name, "float32", (self.size,))

    @property
    def output_tensors(self):
        """What an encoder says: the numbers."""
        return [self.input()]

    def sample(self, generator, count):
        """Returns numbers to compare programs on, numpy float32 (count, size), N(0, 1); what
        decodes them was never trained on such.
        """
        return generator.standard_normal((count, self.size)).astype(np.float32)

    def ends(self):
        """Returns two vectors to compare programs on, (2, size)."""
        return np.full((2, self.size), [[-3.0], [3.0]], np.float32)

    def value(self, codes):
        """Returns the numbers, (batch, size), whichever way they are asked for."""
        return codes

    vector = answer = value

    def outputs(self, parameters, posterior):
        return {self.name: parameters}

    def describe(self, parameters, posterior):
        """Returns the columns of a table: one per number."""
        return {f"{self.name}_{index + 1}": parameters[:, index] for index in range(self.size)}

    def valid(self, values):
        # Not is_finite, which ONNX lacks.
        finite = operations(values).all(within(values, -LARGEST, LARGEST), axis=1)
        return finite, "finite numbers"

    def to_json(self):
        return {
            "name": self.name,
            "kind": self.kind,
            "type": "float32",
            "shape": ["batch", self.size],
            "range": None,
            "prior": "none: it is what the encoder gives",
            "meaning": f"{self.size} numbers that mean something together only",
        }

    @classmethod
    def from_json(cls, content):
        return cls(content["name"], int(content["shape"][1]))


KINDS = {kind.kind: kind for kind in (Categorical, Uniform, Gaussian, Bernoulli, Vector)}


def from_json(content):
    """Returns the code that a `to_json` wrote, in a contract of any version; keys that are not
    known are ignored.

    Raises:
      UserError: if it is of a later version.
      KeyError, TypeError, ValueError: if it is damaged.
    """
    if content["kind"] not in KINDS:
        raise UserError(
            f"the kind of code {str(content['kind'])[:60]!r} is not known here; update "
            "keras-infogan to the version that exported this."
        )
    return KINDS[content["kind"]].from_json(content)


def _argmax(probabilities):
    if isinstance(probabilities, np.ndarray):
        return probabilities.argmax(axis=-1)
    import tensorflow as tf

    return tf.argmax(probabilities, axis=-1)  # not Keras's, which ONNX has no operation for


def is_integer(value):
    """Whether a value of Python or numpy is an integer; True and False are none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _numbers(name, value, num):
    """Returns one number for all of `num` images, or one each, as float64 (num,)."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise UserError(
            f"{name}: expected a number or {num} of them, received {value!r}."
        ) from None
    if array.shape not in ((), (num,)):
        raise UserError(f"{name}: expected one value or {num}, received the shape {array.shape}.")
    return np.broadcast_to(array, num)


def _check_range(code, array, value):
    if not np.all((array >= 0) & (array <= code.num_values - 1)):
        raise UserError(
            f"{code.name}: expected a number from 0 to {code.num_values - 1}, received {value!r}."
        )


def _refuse_weights(code, value):
    if isinstance(value, dict):
        raise UserError(
            f"{code.name}: expected a number, received weights; only categories are blended."
        )
