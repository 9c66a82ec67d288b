"""The generator's inputs: noise z and the codes c, as data.

Notation of the paper: z is incompressible noise, c = (c_1, ..., c_L) are codes with factored prior P(c) = prod P(c_i) (Section 4), and Q(c|x) approximates
the posterior. Each code class knows its prior, its entropy H(c), how many numbers it takes in the latent vector and how many parameters Q gives it.

A latent vector is (noise, code_1, ..., code_L); a categorical code stands in it as a one-hot. Functions on numpy arrays serve pictures and programs that
never load TensorFlow; `draw` makes tensors and imports it when called; the `log_prob` methods work on either.
"""

import dataclasses
import math
import re
import types

import numpy as np

from keras_infogan.config import UserError, did_you_mean


def operations(values):
    """Returns the operations of the library that `values` belong to: keras.ops for tensors; for arrays, those that are needed here and in contracts."""
    if not isinstance(values, np.ndarray):
        from keras import ops

        return ops
    from scipy import special

    return types.SimpleNamespace(
        all=np.all,
        cast=lambda values, dtype: values.astype(dtype),
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


@dataclasses.dataclass(frozen=True)
class Categorical:
    """One of K categories, all equally likely; H(c) = ln K. Q gives K logits."""

    name: str
    num_categories: int
    weight: float = 1.0
    kind = "categorical"
    continuous = False

    @property
    def size(self):
        return self.num_categories

    num_parameters = size

    @property
    def entropy(self):
        return math.log(self.num_categories)

    def sample(self, generator, count):
        return np.eye(self.num_categories, dtype=np.float32)[generator.integers(self.num_categories, size=count)]

    def draw(self, seed, count):
        import tensorflow as tf

        return tf.one_hot(tf.random.stateless_uniform((count,), seed, maxval=self.num_categories, dtype=tf.int32), self.num_categories)

    def log_prob(self, codes, parameters, posterior):
        """Returns log Q(c|x), float32 (batch,), for one-hot codes (batch, K) and logits (batch, K)."""
        ops = operations(parameters)
        return ops.sum(codes * ops.log_softmax(parameters, axis=-1), axis=-1)

    def traversal(self, num_columns):
        """Returns the values of a traversal (one-hots, one per category), the text of each, and whether each lies in the range the code is trained on."""
        return np.eye(self.num_categories, dtype=np.float32), [str(index) for index in range(self.num_categories)], [True] * self.num_categories

    def ends(self):
        """Returns the first and the last value the code can take, (2, K)."""
        ends = np.zeros((2, self.num_categories), np.float32)
        ends[0, 0] = ends[1, -1] = 1
        return ends

    def value(self, codes):
        """Returns the category, int (batch,), that one-hot codes (batch, K) stand for."""
        return codes.argmax(axis=-1)

    def answer(self, parameters):
        """Returns the likeliest category, int (batch,), of Q's logits (batch, K)."""
        return parameters.argmax(axis=-1)

    def describe(self, parameters, posterior):
        """Returns the columns of Q's answer for parameters (batch, K): the likeliest category and its probability."""
        shifted = np.exp(parameters - parameters.max(axis=-1, keepdims=True))
        probabilities = shifted / shifted.sum(axis=-1, keepdims=True)
        return {self.name: self.answer(parameters), f"{self.name}_probability": probabilities.max(axis=-1)}


@dataclasses.dataclass(frozen=True)
class Bernoulli:
    """A binary code that is 1 with `probability`; H(c) = -p ln p - (1-p) ln(1-p). Q gives one logit."""

    name: str
    probability: float = 0.5
    weight: float = 1.0
    kind = "bernoulli"
    continuous = False
    size = num_parameters = 1

    @property
    def entropy(self):
        return -self.probability * math.log(self.probability) - (1 - self.probability) * math.log(1 - self.probability)

    def sample(self, generator, count):
        return (generator.random((count, 1)) < self.probability).astype(np.float32)

    def draw(self, seed, count):
        import tensorflow as tf

        return tf.cast(tf.random.stateless_uniform((count, 1), seed) < self.probability, tf.float32)

    def log_prob(self, codes, parameters, posterior):
        """Returns log Q(c|x), float32 (batch,), for codes in {0, 1} (batch, 1) and logits (batch, 1)."""
        ops = operations(parameters)
        return ops.sum(codes * ops.log_sigmoid(parameters) + (1 - codes) * ops.log_sigmoid(-parameters), axis=-1)

    def traversal(self, num_columns):
        return np.array([[0.0], [1.0]], np.float32), ["0", "1"], [True, True]

    def ends(self):
        return np.array([[0.0], [1.0]], np.float32)

    def value(self, codes):
        """Returns the bit, int (batch,), of codes (batch, 1)."""
        return codes[:, 0].astype(int)

    def answer(self, parameters):
        """Returns the likelier bit, int (batch,), of Q's logits (batch, 1)."""
        return (parameters[:, 0] > 0).astype(int)

    def describe(self, parameters, posterior):
        return {self.name: self.answer(parameters), f"{self.name}_probability": 1 / (1 + np.exp(-np.abs(parameters[:, 0])))}


@dataclasses.dataclass(frozen=True)
class Posterior:
    """The Gaussian family of Q(c|x) for continuous codes: its standard deviation is fixed, or learned between two limits.

    Learned, log(std) moves smoothly between the logarithms of the limits, so it can always come back from either. The default lower limit 1/sqrt(2 pi)
    is where the density of Q reaches 1: log Q(c|x) is then never positive, and the information bound reaches H(c) at best, as for a discrete code. (A
    continuous code may truly carry more than its differential entropy; a lower limit lets the bound show it.)
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
class Uniform:
    """A continuous code, U(-1, 1); H(c) = ln 2. Q gives a mean and, if learned, a deviation."""

    name: str
    weight: float = 1.0
    kind = "uniform"
    continuous = True
    size = 1
    entropy = math.log(2)

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
        """Returns evenly spaced values from -2 to 2 (the plotting range of the paper's Figure 2), (num_columns, 1), their texts, and which are trained on."""
        values = np.linspace(-2, 2, num_columns, dtype=np.float32)[:, None]
        return values, [f"{value:+.1f}" for value in values[:, 0]], self.in_trained_range(values[:, 0])

    def in_trained_range(self, values):
        """Returns whether each value lies where the prior does."""
        return [bool(abs(value) <= 1) for value in values]

    def ends(self):
        """Returns both ends of the range the code is drawn from, (2, 1); of an unbounded one, where all but 0.3% of draws lie between."""
        return np.array([[-1.0], [1.0]], np.float32)

    def value(self, codes):
        """Returns the number, float (batch,), of codes (batch, 1)."""
        return codes[:, 0]

    def answer(self, parameters):
        """Returns the mean of Q, float (batch,)."""
        return parameters[:, 0]

    def describe(self, parameters, posterior):
        """Returns the columns of Q's answer: mean and standard deviation of the code's Gaussian posterior."""
        log_std = posterior.log_std(parameters)
        return {f"{self.name}_mean": self.answer(parameters), f"{self.name}_std": np.exp(log_std[:, 0])}


@dataclasses.dataclass(frozen=True)
class Gaussian(Uniform):
    """A continuous code, N(0, 1); H(c) = ln(2 pi e) / 2 = 1.419. The same Gaussian posterior as a uniform code's."""

    kind = "gaussian"
    entropy = 0.5 * math.log(2 * math.pi * math.e)

    def in_trained_range(self, values):
        return [True] * len(values)

    def ends(self):
        return np.array([[-3.0], [3.0]], np.float32)

    def sample(self, generator, count):
        return generator.standard_normal((count, 1)).astype(np.float32)

    def draw(self, seed, count):
        import tensorflow as tf

        return tf.random.stateless_normal((count, 1), seed)


# Seeds of images lie below it.
NUM_SEEDS = 2**32


def _mix(values):
    """Returns integers below 2**32, int64 (...), that seem unrelated to the given ones: a permutation of them, twice xor-shift and multiply, and a shift.

    The constants are those of lowest bias in Chris Wellons's search for 32-bit hashes, https://nullprogram.com/blog/2018/07/31/. Written with what numpy and
    TensorFlow (and a browser) compute alike, no number reaching 2**63.
    """
    for shift, factor in ((2**16, 0x21F0AAAD), (2**15, 0x735A2D97), (2**15, 1)):
        values = (values ^ (values // shift)) * factor % 2**32
    return values


@dataclasses.dataclass(frozen=True)
class Noise:
    """The noise z: `size` independent numbers, U(-1, 1) (the released code) or N(0, 1)."""

    size: int
    distribution: str = "uniform"

    def sample(self, generator, count):
        if self.distribution == "uniform":
            return generator.uniform(-1, 1, (count, self.size)).astype(np.float32)
        return generator.standard_normal((count, self.size)).astype(np.float32)

    def draw(self, seed, count):
        import tensorflow as tf

        if self.distribution == "uniform":
            return tf.random.stateless_uniform((count, self.size), seed, minval=-1.0, maxval=1.0)
        return tf.random.stateless_normal((count, self.size), seed)

    def from_seeds(self, seeds):
        """Returns the noise, float32 (count, size), that integer seeds, int64 (count,) from 0 to 2**32 - 1, stand for. Works on numpy arrays and tensors.

        An image's noise depends on its own seed only, and is the same in every exported format: bit for bit if uniform, up to rounding if normal.
        """
        ops = operations(seeds)
        # Numbered from 2**31 on, far from seeds that people give: a seed equal to a column's number gives its lowest value there.
        seeds, columns = ops.cast(seeds, "int64"), 2**31 + np.arange(2 * self.size, dtype=np.int64)
        first, second = (_mix(_mix(seeds)[:, None] ^ _mix(part)[None]) // 2**9 for part in np.split(columns, 2))
        # 23 bits and a half are exact in float32, and neither 0 nor 1.
        if self.distribution == "uniform":
            return (ops.cast(first, "float32") + 0.5) / 2**22 - 1
        radius, angle = ((ops.cast(bits, "float32") + 0.5) / 2**23 for bits in (first, second))
        return ops.sqrt(-2 * ops.log(radius)) * ops.cos(2 * math.pi * angle)  # Box and Muller

    def ends(self):
        """Returns two vectors, (2, size): all numbers at the lower and at the upper end of their range (a normal one's: -3 and 3)."""
        end = 1 if self.distribution == "uniform" else 3
        return np.full((2, self.size), [[-end], [end]], np.float32)


_KINDS = {"categorical": Categorical, "uniform": Uniform, "gaussian": Gaussian, "bernoulli": Bernoulli}
_UNNAMED = {"categorical": "categorical", "uniform": "continuous", "gaussian": "continuous", "bernoulli": "binary"}
_ENTRY = re.compile(r"(?:(?P<count>\d+)\s*\*\s*|(?P<name>[^=(]*?)\s*=\s*)?(?P<kind>\w+)\s*(?:\((?P<arguments>[^()]*)\))?")
_EXAMPLE = '"digit=categorical(10), slant=uniform, 2*uniform, smile=bernoulli(0.5), tilt=gaussian(weight=0.1)"'


def parse_codes(text):
    """Parses codes as a person types them, for example `digit=categorical(10), slant=uniform(weight=0.5), 2*bernoulli`.

    `N*kind` makes N codes; codes without a name are called categorical_1, continuous_1, binary_1 and so on, per kind. Inside the brackets stand the number of
    categories, or the probability of a bernoulli code, and `weight=W`, which multiplies this code's part of the recognizer's loss.

    Returns:
      A tuple of codes.

    Raises:
      UserError: in one sentence, with the part that could not be read.
    """
    codes, unnamed = [], dict.fromkeys(_UNNAMED.values(), 0)
    for part in re.split(r",(?![^()]*\))", text) if text.strip() else []:
        match = _ENTRY.fullmatch(part.strip())
        if not match:
            raise UserError(f"--codes: cannot read {part.strip()!r}; write it like {_EXAMPLE}.")
        kind = match["kind"].lower()
        if kind not in _KINDS:
            raise UserError(f"--codes: {match['kind']!r} is no kind of code{did_you_mean(kind, _KINDS)}; the kinds are {', '.join(_KINDS)}.")
        arguments = _parse_arguments(kind, match["arguments"] or "", part.strip())
        count = int(match["count"]) if match["count"] else 1
        if not 1 <= count <= 1000:
            raise UserError(f"--codes: {part.strip()!r} asks for {count} codes; between 1 and 1000 are possible.")
        for _ in range(count):
            name = match["name"]
            if name is None:
                unnamed[_UNNAMED[kind]] += 1
                name = f"{_UNNAMED[kind]}_{unnamed[_UNNAMED[kind]]}"
            codes.append(_KINDS[kind](name, **arguments))
    _check_names("--codes", [code.name for code in codes])
    return tuple(codes)


def _check_names(flag, names):
    for name in names:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name):
            raise UserError(f"{flag}: {name!r} is no name; use letters, digits and underscores, beginning with a letter.")
        # "image", "label" and the endings are columns of the table that encode writes.
        if name in ("noise", "image", "label") or name.endswith(("_probability", "_mean", "_std")):
            raise UserError(f"{flag}: the name {name!r} is reserved; give the code another one.")
        if names.count(name) > 1:
            raise UserError(f"{flag}: the name {name!r} is given twice; give every code a name of its own.")


def _parse_arguments(kind, text, part):
    arguments = {}
    positional = {"categorical": "num_categories", "bernoulli": "probability"}.get(kind)
    for argument in filter(None, (piece.strip() for piece in text.split(","))):
        key, _, value = argument.rpartition("=")
        key = key.strip() or positional
        try:
            if key == "num_categories":
                arguments[key] = int(value)
            elif key in ("weight", "probability") and (key == "weight" or kind == "bernoulli"):
                arguments[key] = float(value)
            else:
                raise ValueError
        except ValueError:
            raise UserError(f"--codes: cannot read {argument!r} in {part!r}; write it like {_EXAMPLE}.") from None
    if kind == "categorical" and not 2 <= arguments.get("num_categories", 0) <= 10_000:
        raise UserError(f"--codes: {part!r} needs a number of categories from 2 to 10000, as in categorical(10).")
    if not 0 <= arguments.get("weight", 1.0) < math.inf:
        raise UserError(f"--codes: the weight in {part!r} must be a finite number of at least 0.")
    if not 0 < arguments.get("probability", 0.5) < 1:
        raise UserError(f"--codes: the probability in {part!r} must lie between 0 and 1.")
    return arguments


@dataclasses.dataclass(frozen=True)
class LatentSpec:
    """All inputs of a generator: the noise and the codes, in the order in which they stand in a latent vector.

    Attributes:
      noise: the incompressible part.
      codes: the codes, in order.
      posterior: the family of Q(c|x) for continuous codes.
    """

    noise: Noise
    codes: tuple
    posterior: Posterior = Posterior()

    @property
    def size(self):
        """Length of a latent vector."""
        return self.noise.size + sum(code.size for code in self.codes)

    def renamed(self, names):
        """Returns the same inputs with some codes under other names.

        Args:
          names: dict from old to new name.

        Raises:
          UserError: if there is no such code, or a new name is no name, is reserved, or is taken.
        """
        known = [code.name for code in self.codes]
        for name in names:
            if name not in known:
                raise UserError(f"--rename: there is no code {name!r}{did_you_mean(name, known)}; the codes are {', '.join(known)}.")
        codes = tuple(dataclasses.replace(code, name=names.get(code.name, code.name)) for code in self.codes)
        _check_names("--rename", [code.name for code in codes])
        return dataclasses.replace(self, codes=codes)

    def num_parameters(self, code):
        """Returns how many numbers the recognizer outputs for one code."""
        return self.posterior.num_parameters if code.continuous else code.num_parameters

    @property
    def total_parameters(self):
        """Width of the recognizer's output: the parameters of all codes side by side."""
        return sum(self.num_parameters(code) for code in self.codes)

    def sample(self, count, seed):
        """Returns `count` latent vectors from the prior, numpy float32 (count, size), the same for the same seed on every machine."""
        generator = np.random.default_rng(seed)
        return np.concatenate([part.sample(generator, count) for part in (self.noise, *self.codes)], axis=-1)

    def draw(self, count, seed):
        """Returns `count` latent vectors from the prior, a tensor float32 (count, size), from an int32 (2,) seed, without any state."""
        import tensorflow as tf

        parts = (self.noise, *self.codes)
        seeds = tf.random.experimental.stateless_split(seed, len(parts))
        return tf.concat([part.draw(seeds[index], count) for index, part in enumerate(parts)], axis=-1)

    def unpack(self, latents):
        """Returns the parts of latent vectors (batch, size) by name: "noise" and each code's, all (batch, width). Works on arrays and tensors."""
        parts, start = {"noise": latents[:, : self.noise.size]}, self.noise.size
        for code in self.codes:
            parts[code.name] = latents[:, start : start + code.size]
            start += code.size
        return parts

    def pack(self, parts):
        """Returns numpy latent vectors (batch, size) from parts by name, the inverse of `unpack`."""
        return np.concatenate([parts["noise"], *(parts[code.name] for code in self.codes)], axis=-1).astype(np.float32)

    def unpack_parameters(self, parameters):
        """Returns the recognizer's output (batch, total_parameters) split by code name."""
        parts, start = {}, 0
        for code in self.codes:
            width = self.num_parameters(code)
            parts[code.name] = parameters[:, start : start + width]
            start += width
        return parts

    def mutual_information(self, latents, parameters):
        """Returns the lower bound L_I per code and example: log Q(c|x) + H(c), in nats (arXiv 1606.03657, equation 5).

        Args:
          latents: float32 (batch, size), the vectors the images were generated from.
          parameters: float32 (batch, total_parameters), the recognizer's output for those images.

        Returns:
          A dict from code name to a tensor or array (batch,), as the arguments are. H(c) is the entropy of the true prior.
        """
        codes, answers = self.unpack(latents), self.unpack_parameters(parameters)
        return {code.name: code.log_prob(codes[code.name], answers[code.name], self.posterior) + code.entropy for code in self.codes}

    def values(self, latents):
        """Returns one number per code and latent vector, a dict from code name to (batch,): the category, the bit, or the value itself."""
        parts = self.unpack(latents)
        return {code.name: code.value(parts[code.name]) for code in self.codes}

    def answers(self, parameters):
        """Returns what Q takes each code to be, a dict from code name to (batch,): the likeliest category or bit, or the mean."""
        parts = self.unpack_parameters(parameters)
        return {code.name: code.answer(parts[code.name]) for code in self.codes}

    def edges(self, seed):
        """Returns latent vectors (rows, size): each part in turn, then all together, at the ends of its range, the others drawn with `seed`."""
        ends = {"noise": self.noise.ends()} | {code.name: code.ends() for code in self.codes}
        places = [{name: values} for name, values in ends.items()] + [ends]
        drawn = np.split(self.sample(2 * len(places), seed), len(places))
        return np.concatenate([self.pack(self.unpack(latents) | place) for latents, place in zip(drawn, places, strict=True)])

    def redraw(self, name, latents, seed):
        """Returns latent vectors (batch, size) in which one part, a code or "noise", is drawn anew from its prior and all else stays."""
        return self.pack(self.unpack(latents) | {name: self.unpack(self.sample(len(latents), seed))[name]})

    def traverse(self, code, latents, num_columns=9):
        """Returns latent vectors in which only one code moves, with the text of each column and whether it lies in the trained range.

        Args:
          code: the code that moves.
          latents: numpy float32 (rows, size), the vectors to start from.
          num_columns: number of values of a continuous code; a discrete code has one column per value.

        Returns:
          (float32 (rows, columns, size), list of str, list of bool).
        """
        values, texts, trained = code.traversal(num_columns)
        moved = np.repeat(latents[:, None, :], len(values), axis=1)
        start = self.noise.size
        for other in self.codes:
            if other is code:
                moved[:, :, start : start + code.size] = values[None]
            start += other.size
        return moved, texts, trained

    def rows(self, count, seed):
        """Returns `count` latent vectors to start traversals from: random, except that the first categorical code counts up, as in the paper's Figure 2."""
        parts = dict(self.unpack(self.sample(count, seed)))
        for code in self.codes:
            if code.kind == "categorical":
                parts[code.name] = np.eye(code.num_categories, dtype=np.float32)[np.arange(count) % code.num_categories]
                break
        return self.pack(parts)

    def describe(self, parameters):
        """Returns what the recognizer says, as columns for a table: the numpy output (batch, total_parameters) as a dict from column name to (batch,)."""
        columns = {}
        for code, answer in zip(self.codes, self.unpack_parameters(parameters).values(), strict=True):
            columns.update(code.describe(answer, self.posterior))
        return columns
