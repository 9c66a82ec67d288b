"""The generator's inputs: noise z and the codes c, as data.

Notation of the paper: z is incompressible noise, c = (c_1, ..., c_L) are codes with factored prior
P(c) = prod P(c_i) (Section 4), and Q(c|x) approximates the posterior. What kinds of codes there
are, and what each says of itself, stands in `codes`.

A latent vector is (noise, code_1, ..., code_L); a categorical code stands in it as a one-hot.
Whoever has noise and no codes is a plain GAN; whoever has codes and no noise encodes all there is,
as a variational autoencoder does.
"""

import dataclasses
import math

import numpy as np

from keras_infogan import codes as kinds
from keras_infogan import notation
from keras_infogan.codes import LARGEST, LogVariancePosterior, Posterior, Tensor, operations, within
from keras_infogan.config import UserError, did_you_mean

# Seeds of images lie below it.
NUM_SEEDS = 2**32
SEED = Tensor("seed", "int64")
_SEED_MEANING = (
    "stands for noise (keras_infogan.latents.Noise.from_seeds says how): the same noise for the "
    "same seed in the SavedModel and in keras_infogan"
)


def _mix(values):
    """Returns integers below 2**32, int64 (...), that seem unrelated to the given ones: a
    permutation of them, twice xor-shift and multiply, and a shift.

    The constants are those of lowest bias in Chris Wellons's search for 32-bit hashes,
    https://nullprogram.com/blog/2018/07/31/. Written with what numpy and TensorFlow (and a browser)
    compute alike, no number reaching 2**63.
    """
    for shift, factor in ((2**16, 0x21F0AAAD), (2**15, 0x735A2D97), (2**15, 1)):
        values = (values ^ (values // shift)) * factor % 2**32
    return values


@dataclasses.dataclass(frozen=True)
class Noise:
    """The noise z: `size` independent numbers, U(-1, 1) (the released code) or N(0, 1).

    Attributes:
      picks_pixels: whether each number picks the value of one pixel and channel in turn, given
        those before. Then there is nothing between two images, and a rounding can tip a pixel, and
        with it all that follow.
    """

    size: int
    distribution: str = "uniform"
    picks_pixels: bool = False

    @property
    def tensor(self):
        """The Tensor that a program hands over."""
        return Tensor("noise", "float32", (self.size,))

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
        """Returns the noise, float32 (count, size), that integer seeds, int64 (count,) from 0 to
        2**32 - 1, stand for. Works on numpy arrays and tensors.

        An image's noise depends on its own seed only, and is the same in every exported format: bit
        for bit if uniform, up to rounding if normal.
        """
        ops = operations(seeds)
        # Numbered from 2**31 on, far from seeds that people give: a seed equal to a column's number
        # gives its lowest value there.
        seeds, columns = ops.cast(seeds, "int64"), 2**31 + np.arange(2 * self.size, dtype=np.int64)
        first, second = (
            _mix(_mix(seeds)[:, None] ^ _mix(part)[None]) // 2**9 for part in np.split(columns, 2)
        )
        # 23 bits and a half are exact in float32, and neither 0 nor 1.
        if self.distribution == "uniform":
            return (ops.cast(first, "float32") + 0.5) / 2**22 - 1
        radius, angle = ((ops.cast(bits, "float32") + 0.5) / 2**23 for bits in (first, second))
        return ops.sqrt(-2 * ops.log(radius)) * ops.cos(2 * math.pi * angle)  # Box and Muller

    def ends(self):
        """Returns two vectors, (2, size): all numbers at the lower and at the upper end of their
        range (a normal one's: -3 and 3).
        """
        end = 1 if self.distribution == "uniform" else 3
        return np.full((2, self.size), [[-end], [end]], np.float32)

    def to_json(self):
        """Returns what a contract says of the noise, and of the seeds that stand for it, a list;
        `from_json` reads its first entry.
        """
        uniform = self.distribution == "uniform"
        seed = {
            "name": SEED.name,
            "kind": "seed",
            "type": "int64",
            "shape": ["batch"],
            "range": [0, NUM_SEEDS - 1],
            "meaning": _SEED_MEANING,
        }
        if not self.size:
            return [seed | {"meaning": "taken and not used: this model has no noise"}]
        noise = {
            "name": "noise",
            "kind": "noise",
            "type": "float32",
            "shape": ["batch", self.size],
            "range": [-1, 1] if uniform else None,
        }
        noise |= {
            "prior": "U(-1, 1), each number" if uniform else "N(0, 1), each number",
            "meaning": "one number for each pixel and channel, which picks its value in turn"
            if self.picks_pixels
            else "everything that the codes leave open",
        } | ({"picks_pixels": True} if self.picks_pixels else {})
        numbers = self.from_seeds(np.array([1], np.int64))[0, :4]
        return [
            noise,
            seed
            | {
                "example": {
                    "seed": 1,
                    "noise_begins_with": [round(float(number), 6) for number in numbers],
                }
            },
        ]

    @classmethod
    def from_json(cls, content):
        return cls(
            int(content["shape"][1]),
            "uniform" if content["range"] else "normal",
            bool(content.get("picks_pixels", False)),
        )


@dataclasses.dataclass(frozen=True)
class LatentSpec:
    """All inputs of a generator: the noise and the codes, in the order in which they stand in
    a latent vector.

    Attributes:
      noise: the incompressible part.
      codes: the codes, in order.
      posterior: the family of Q(c|x) for continuous codes.
    """

    noise: Noise
    codes: tuple
    posterior: Posterior | LogVariancePosterior = dataclasses.field(default=Posterior())

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
                raise UserError(
                    f"--rename: there is no code {name!r}{did_you_mean(name, known)}; the codes "
                    f"are {', '.join(known) or 'none'}."
                )
        codes = tuple(
            dataclasses.replace(code, name=names.get(code.name, code.name)) for code in self.codes
        )
        notation.check_names("--rename", [code.name for code in codes])
        return dataclasses.replace(self, codes=codes)

    def num_parameters(self, code):
        """Returns how many numbers the recognizer outputs for one code."""
        return self.posterior.num_parameters if code.continuous else code.num_parameters

    @property
    def total_parameters(self):
        """Width of the recognizer's output: the parameters of all codes side by side."""
        return sum(self.num_parameters(code) for code in self.codes)

    def sample(self, count, seed):
        """Returns `count` latent vectors from the prior, numpy float32 (count, size), the same for
        the same seed on every machine.
        """
        generator = np.random.default_rng(seed)
        return np.concatenate(
            [part.sample(generator, count) for part in (self.noise, *self.codes)], axis=-1
        )

    def draw(self, count, seed):
        """Returns `count` latent vectors from the prior, a tensor float32 (count, size), from an
        int32 (2,) seed, without any state.
        """
        import tensorflow as tf

        parts = (self.noise, *self.codes)
        seeds = tf.random.experimental.stateless_split(seed, len(parts))  # pyright: ignore[reportAttributeAccessIssue]  # the stub lacks it
        return tf.concat(
            [part.draw(seeds[index], count) for index, part in enumerate(parts)], axis=-1
        )

    def unpack(self, latents):
        """Returns the parts of latent vectors (batch, size) by name: "noise" and each code's, all
        (batch, width). Works on arrays and tensors.
        """
        parts, start = {"noise": latents[:, : self.noise.size]}, self.noise.size
        for code in self.codes:
            parts[code.name] = latents[:, start : start + code.size]
            start += code.size
        return parts

    def pack(self, parts):
        """Returns numpy latent vectors (batch, size) from parts by name, the
        inverse of `unpack`.
        """
        return np.concatenate(
            [parts["noise"], *(parts[code.name] for code in self.codes)], axis=-1
        ).astype(np.float32)

    def unpack_parameters(self, parameters):
        """Returns the recognizer's output (batch, total_parameters) split by code name."""
        parts, start = {}, 0
        for code in self.codes:
            width = self.num_parameters(code)
            parts[code.name] = parameters[:, start : start + width]
            start += width
        return parts

    # What programs hand over and get back, by name.

    def inputs(self, form="index", last="noise"):
        """Returns the Tensors that stand for a latent vector: one per code, in the form "index" or
        "weights", then "noise" or "seed".
        """
        tensors = [code.input(form) for code in self.codes]
        if last == "seed":
            return [*tensors, SEED]
        return tensors + [self.noise.tensor] * bool(self.noise.size)

    def vectors(self, inputs):
        """Returns latent vectors, float32 (batch, size), of named inputs of any form, arrays or
        tensors: "latents", or one per code and "noise" or "seed".
        """
        if "latents" in inputs:
            return inputs["latents"]
        if not self.noise.size:
            return self.assembled(inputs)
        return self.assembled(
            inputs, self.noise.from_seeds(inputs["seed"]) if "seed" in inputs else inputs["noise"]
        )

    def assembled(self, codes, noise=None):
        """Returns latent vectors of codes by name, whatever their names, in the form that `inputs`
        takes them, and noise where there is any.
        """
        parts = ([] if noise is None else [noise]) + [
            code.vector(codes[code.name]) for code in self.codes
        ]
        return operations(parts[0]).concatenate(parts, axis=-1)

    def checks(self, inputs):
        """Says which named inputs, arrays or tensors of the right types and shapes, are valid.

        Returns:
          A dict from name to (whether each image's is valid, bool (batch,); what is
          expected, text).
        """
        codes, checks = {code.name: code for code in self.codes}, {}
        for name, values in inputs.items():
            if name == SEED.name:
                checks[name] = (
                    within(values, 0, NUM_SEEDS - 1),
                    f"an integer from 0 to {NUM_SEEDS - 1}",
                )
            elif name in ("noise", "latents"):
                # Not is_finite, which ONNX lacks.
                checks[name] = (
                    operations(values).all(within(values, -LARGEST, LARGEST), axis=1),
                    "finite numbers",
                )
            else:
                checks[name] = codes[name].valid(values)
        return checks

    @property
    def output_tensors(self):
        """What a recognizer says of an image, Tensors: of each code the value to hand to the
        generator, and probabilities or a standard deviation.
        """
        return [tensor for code in self.codes for tensor in code.output_tensors]

    def outputs(self, parameters):
        """Returns what `output_tensors` names, a dict, of the recognizer's output
        (batch, total_parameters), an array or a tensor.
        """
        parts, outputs = self.unpack_parameters(parameters), {}
        for code in self.codes:
            outputs |= code.outputs(parts[code.name], self.posterior)
        return outputs

    @property
    def example(self):
        """Values to ask for in examples, by code: within each range, away from its ends."""
        return {code.name: code.example for code in self.codes}

    def to_json(self):
        """Returns what a contract says of the inputs, and of the posterior of continuous codes;
        `from_json` reads it.
        """
        return {
            "inputs": [code.to_json() for code in self.codes] + self.noise.to_json(),
            "posterior": kinds.posterior_to_json(self.posterior),
        }

    @classmethod
    def from_json(cls, content):
        """Returns the LatentSpec in a contract's JSON. Keys that are not known are ignored.

        Raises:
          KeyError, TypeError, ValueError, AttributeError: if it is damaged.
        """
        entries = content["inputs"]
        noise = next(
            (Noise.from_json(entry) for entry in entries if entry["kind"] == "noise"), Noise(0)
        )
        codes = tuple(
            kinds.from_json(entry) for entry in entries if entry["kind"] not in ("noise", "seed")
        )
        return cls(noise, codes, kinds.posterior_from_json(content["posterior"]))

    def mutual_information(self, latents, parameters):
        """Returns the lower bound L_I per code and example: log Q(c|x) + H(c), in nats (arXiv
        1606.03657, equation 5).

        Args:
          latents: float32 (batch, size), the vectors the images were generated from.
          parameters: float32 (batch, total_parameters), the recognizer's output for those images.

        Returns:
          A dict from code name to a tensor or array (batch,), as the arguments are. H(c) is the
          entropy of the true prior.
        """
        codes, answers = self.unpack(latents), self.unpack_parameters(parameters)
        return {
            code.name: code.log_prob(codes[code.name], answers[code.name], self.posterior)
            + code.entropy
            for code in self.codes
        }

    def values(self, latents):
        """Returns one number per code and latent vector, a dict from code name to (batch,): the
        category, the bit, or the value itself.
        """
        parts = self.unpack(latents)
        return {code.name: code.value(parts[code.name]) for code in self.codes}

    def answers(self, parameters):
        """Returns what Q takes each code to be, a dict from code name to (batch,): the likeliest
        category or bit, or the mean.
        """
        parts = self.unpack_parameters(parameters)
        return {code.name: code.answer(parts[code.name]) for code in self.codes}

    def edges(self, seed):
        """Returns latent vectors (rows, size): each part in turn, then all together, at the ends of
        its range, the others drawn with `seed`.
        """
        ends = {"noise": self.noise.ends()} | {code.name: code.ends() for code in self.codes}
        places = [{name: values} for name, values in ends.items()] + [ends]
        drawn = np.split(self.sample(2 * len(places), seed), len(places))
        return np.concatenate(
            [
                self.pack(self.unpack(latents) | place)
                for latents, place in zip(drawn, places, strict=True)
            ]
        )

    def redraw(self, name, latents, seed):
        """Returns latent vectors (batch, size) in which one part, a code or "noise", is drawn anew
        from its prior and all else stays.
        """
        return self.pack(
            self.unpack(latents) | {name: self.unpack(self.sample(len(latents), seed))[name]}
        )

    def traverse(self, code, latents, num_columns=9):
        """Returns latent vectors in which only one code moves, with the text of each column and
        whether it lies in the trained range.

        Args:
          code: the code that moves.
          latents: numpy float32 (rows, size), the vectors to start from.
          num_columns: number of values of a continuous code; a discrete code has one
            column per value.

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
        """Returns `count` latent vectors to start traversals from: random, except that the first
        categorical code counts up, as in the paper's Figure 2.
        """
        parts = dict(self.unpack(self.sample(count, seed)))
        for code in self.codes:
            if code.has_categories:
                parts[code.name] = np.eye(code.size, dtype=np.float32)[np.arange(count) % code.size]
                break
        return self.pack(parts)

    def describe(self, parameters):
        """Returns what the recognizer says, as columns for a table: the numpy output
        (batch, total_parameters) as a dict from column name to (batch,).
        """
        parts, columns = self.unpack_parameters(parameters), {}
        for code in self.codes:
            columns |= code.describe(parts[code.name], self.posterior)
        return columns
