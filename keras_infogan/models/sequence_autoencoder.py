"""The sequence autoencoder whose two encoders keep what is said apart from who says it: Phonetic-
and-Semantic Embedding of Spoken Words (Chen et al. 2018, arXiv 1803.10952, Section 2; the
autoencoder of words is Chung et al. 2016, arXiv 1603.00982).

Of a word x, another recording x+ of its speaker and one x- of another speaker:

    autoencoder   min_{P,S,Dec}  |Dec(P(x), S(x+)) - x|
                                 + |S(x) - S(x+)|^2 + max(0, margin - |S(x) - S(x-)|)
                                 + A(P(x), P(x+)) - A(P(x), P(x-))
    adversary     max_A          A(P(x), P(x+)) - A(P(x), P(x-)) - penalty on its gradient

P is the phonetic encoder, S the speaker encoder. The decoder gets the speaker from another word, so
the speaker vector must hold it; the adversary A tells pairs of one speaker from pairs of two by
their phonetic vectors, until these say nothing of who speaks. Which word is said is never told. A
word is an image, its last column a mask (see `audio`). Settings and presets stand in
`settings.sequence_autoencoder`.
"""

import keras
import tensorflow as tf
from keras import ops

from keras_infogan.config import UserError
from keras_infogan.learner import Learner, Player
from keras_infogan.optimizers import Adam

# Under roots, whose gradient at 0 is infinite.
_TINY = 1e-6
# Of features in [-1, 1]: silent bands are not blown up.
_INSTANCE_NORM_EPSILON = 1e-3


class SequenceAutoencoder(Learner):
    """Two encoders, a decoder and an adversary.

    Attributes:
      phonetic_encoder: words float32 (batch, frames, features + 1, 1) in [-1, 1], the last column
        white as long as they last -> phonetic vectors float32 (batch, phonetic_size).
      speaker_encoder: words -> speaker vectors float32 (batch, speaker_size).
      decoder: both vectors side by side, (batch, phonetic_size + speaker_size) -> features in
        [-1, 1], float32 (batch, frames, features), and logits of whether the word lasts, (batch,
        frames).
      adversary: pairs of phonetic vectors side by side, float32 (batch, 2 phonetic_size) -> scores
        (batch, 1), higher for one speaker's; at weight 0 there is none.
    """

    def make_networks(self):
        settings, (frames, columns, channels) = self.settings, self.image_shape
        if columns < 2 or channels != 1:
            raise UserError(
                "a sequence autoencoder takes one channel, with features and a mask along its "
                f"columns, not images of {frames}x{columns}x{channels}; give "
                "--dataset=spoken_words_small, spoken_words or words_folder."
            )
        # All of one length: else they become small, which a Wasserstein critic takes for alike.
        self.phonetic_encoder = self._encoder(
            "phonetic_encoder", settings.phonetic_size, normalized=True
        )
        self.speaker_encoder = self._encoder("speaker_encoder", settings.speaker_size)
        vectors = keras.Input((self.latent_spec.size,))
        # What there is to say at each frame: of zeros, or of the same vectors at all frames, a
        # recurrent layer has to learn to count first.
        hidden = keras.layers.Dense(frames * settings.decoder_inputs)(vectors)
        hidden = keras.layers.Reshape((frames, settings.decoder_inputs))(hidden)
        hidden = _gru(settings.decoder_units, return_sequences=True)(hidden)
        features = keras.layers.Dense(columns - 1, activation="tanh", dtype="float32")(hidden)
        lasts = keras.layers.Dense(1, dtype="float32")(hidden)
        self.decoder = keras.Model(vectors, [features, lasts[..., 0]], name="decoder")
        if settings.adversary_weight:
            pairs = hidden = keras.Input((2 * settings.phonetic_size,))
            # In float32, since its gradient is differentiated once more.
            for _ in range(2):
                hidden = keras.layers.Dense(settings.adversary_units, dtype="float32")(hidden)
                hidden = keras.layers.LeakyReLU(0.2, dtype="float32")(hidden)
            # Scores are compared only: what is added to all makes no difference.
            scores = keras.layers.Dense(1, use_bias=False, dtype="float32")(hidden)
            self.adversary = keras.Model(pairs, scores, name="adversary")

    def _encoder(self, name, size, normalized=False):
        words = keras.Input(self.image_shape)
        features, lasts = words[:, :, :-1, 0], _mask(words)
        if normalized and self.settings.instance_norm:
            features = _instance_norm(features, lasts)
        both_ways = keras.layers.Bidirectional(_gru(self.settings.encoder_units))
        hidden = both_ways(features, mask=lasts)
        vectors = keras.layers.Dense(size, dtype="float32")(hidden)
        if normalized:
            vectors = keras.layers.LayerNormalization(center=False, scale=False, dtype="float32")(
                vectors
            )
        return keras.Model(words, vectors, name=name)

    def make_players(self):
        settings = self.settings
        networks = (self.phonetic_encoder, self.speaker_encoder, self.decoder)
        optimizer = Adam(settings.learning_rate, settings.adam_beta_1)
        players = {"autoencoder": Player(optimizer, networks)}
        if settings.adversary_weight:
            optimizer = Adam(settings.adversary_learning_rate, settings.adam_beta_1)
            players["adversary"] = Player(
                optimizer, (self.adversary,), updates=settings.adversary_updates
            )
        return players

    def game(self, batch):
        """The adversary moves `adversary_updates` times, on the vectors of one batch, then the
        autoencoder once.
        """
        settings, report = self.settings, {}
        if settings.adversary_weight:
            encoder = self.phonetic_encoder
            pairs = self._pairs(self._vectors(encoder, batch, settings.reads, training=False))
            for turn in range(settings.adversary_updates):
                report = self.play(lambda turn=turn: self._adversary_objective(pairs, use=turn))
        return report | self.play(lambda: self.objectives(batch))

    def objectives(self, batch):
        """The autoencoder's: reconstruction, the speaker's terms, and what the adversary sees."""
        settings, words = self.settings, batch["image"]
        looked_at = settings.reads if settings.adversary_weight else ("image",)
        phonetic = self._vectors(self.phonetic_encoder, batch, looked_at, training=True)
        of_words, of_same, of_other = self._vectors(
            self.speaker_encoder, batch, settings.reads, training=True
        )
        speaker = of_same if settings.swap_speaker else of_words
        reconstruction, length = self._errors(words, phonetic[0], speaker)
        together = ops.mean(ops.square(of_words - of_same), axis=-1)
        distance = ops.sqrt(ops.sum(ops.square(of_words - of_other), axis=-1) + _TINY)
        apart = ops.relu(settings.speaker_margin - distance)
        loss = reconstruction + length + settings.speaker_weight * (together + apart)
        logged = {
            "reconstruction": reconstruction,
            "length": length,
            "speaker/together": together,
            "speaker/apart": apart,
        }
        if settings.adversary_weight:
            seen = self._seen(self._pairs(phonetic))
            loss = loss + settings.adversary_weight * seen
            logged["seen_speaker"] = seen
        return {"autoencoder": loss}, logged

    def _adversary_objective(self, pairs, use):
        """The adversary's objective and its gradient penalty (Gulrajani et al. 2017, arXiv
        1704.00028, equation 3), at points between pairs of one speaker and of two.
        """
        share = self.draw(
            lambda count, seed: tf.random.stateless_uniform((count, 1), seed), pairs[0], use=use
        )
        between = share * pairs[0] + (1 - share) * pairs[1]
        with tf.GradientTape() as tape:
            tape.watch(between)
            scores = self.adversary(between, training=True)
        gradient = ops.cast(tape.gradient(scores, between), "float32")
        norm = ops.sqrt(ops.sum(ops.square(gradient), axis=-1) + _TINY)
        penalty = self.settings.gradient_penalty * ops.square(norm - 1)
        return {"adversary": penalty - self._seen(pairs)}, {"adversary_penalty": penalty}

    def _seen(self, pairs):
        """Returns by how much the adversary tells pairs of one speaker from pairs of two,
        (batch,).
        """
        same, other = (self.adversary(pair, training=True)[:, 0] for pair in pairs)
        difference = same - other
        return ops.square(difference) if self.settings.adversary_loss == "squared" else difference

    def _errors(self, words, phonetic, speaker):
        """Returns what the decoder of vectors misses of words: root mean square over the word's
        frames and features, and nats per frame on whether it lasts; both (batch,).
        """
        features, logits = self.decoder(
            ops.concatenate([phonetic, speaker], axis=-1), training=True
        )
        lasts = ops.cast(_mask(words), "float32")
        squares = ops.mean(ops.square(features - words[:, :, :-1, 0]), axis=-1)
        frames = ops.maximum(ops.sum(lasts, axis=-1), 1.0)
        error = ops.sqrt(ops.sum(lasts * squares, axis=-1) / frames + _TINY)
        return error, ops.mean(ops.softplus(logits) - lasts * logits, axis=-1)

    def _vectors(self, encoder, batch, names, training):
        """Returns an encoder's vectors of what has these names in a batch, a list."""
        words = ops.concatenate([batch[name] for name in names], axis=0)
        return ops.split(encoder(words, training=training), len(names), axis=0)

    def _pairs(self, vectors):
        """Returns pairs of one speaker and pairs of two, each (batch, 2 phonetic_size)."""
        words, same, other = vectors
        return [ops.concatenate([words, second], axis=-1) for second in (same, other)]

    def encode(self, images):
        """Returns phonetic and speaker vector side by side, float32 (batch,
        latent_spec.total_parameters), of words, images in [-1, 1].
        """
        encoders = self.phonetic_encoder, self.speaker_encoder
        return ops.concatenate([encoder(images, training=False) for encoder in encoders], axis=-1)

    def decode(self, latents):
        """Returns the words, images in [-1, 1], of phonetic and speaker vectors side by side: with
        the speaker vector of another word, the word in the other's voice.
        """
        features, logits = self.decoder(latents, training=False)
        lasts = ops.sigmoid(logits)[..., None]
        # Black where the word is over, as in recordings.
        features = lasts * (features + 1) - 1
        images = ops.concatenate([features, 2 * lasts - 1], axis=-1)
        # ONNX does not know how many frames a recurrent layer gives.
        return ops.reshape(images, (-1, *self.image_shape))


def _gru(units, **arguments):
    """Returns a recurrent layer. Its seed, of dropout that is not used, is a variable and would
    differ from one build to the next.
    """
    return keras.layers.GRU(units, seed=0, **arguments)


def _instance_norm(features, lasts):
    """Returns features (batch, frames, features) with mean 0 and deviation 1, each over the frames
    that last, and 0 at the others.
    """
    lasts = ops.cast(lasts[..., None], features.dtype)
    frames = ops.maximum(ops.sum(lasts, axis=1, keepdims=True), 1.0)
    centered = lasts * (features - ops.sum(lasts * features, axis=1, keepdims=True) / frames)
    variance = ops.sum(ops.square(centered), axis=1, keepdims=True) / frames
    return centered / ops.sqrt(variance + _INSTANCE_NORM_EPSILON)


def _mask(words):
    """Returns whether each frame of words belongs to it, bool (batch, frames)."""
    return words[:, :, -1, 0] > 0
