"""Settings and presets of the sequence autoencoder that keeps the speaker apart from the word (Chen
et al. 2018, arXiv 1803.10952, Section 2; released code
github.com/grtzsohalf/Audio-Phonetic-and-Semantic-Embedding). Loads without TensorFlow.

Where paper and code disagree, and what deviates here:
  - The adversary is a Wasserstein critic, as in the paper; the released code takes the squared
    difference of its scores (--adversary_loss=squared).
  - The margin between speakers is 1; the released code's 0.01 is next to none.
  - Phonetic vectors are normalized to one length: a Wasserstein critic takes small ones for alike,
    and the encoder would make them small instead. They are 8 long, in units of which its distance
    is measured, and at the released code's weight of 1 words are hidden along with speakers.
  - The adversary moves 10 times a step, 3 in the released code: on vectors that are there already
    that costs little.
  - Features are the bands of `audio`, 20 ms a frame, not 39 MFCCs with deltas, 10 ms a frame,
    normalized per speaker, which would take the speaker out beforehand.
  - The decoder's recurrent layer gets what a dense layer makes of both vectors for each frame, not
    zeros, and the decoder says how long the word is, too; networks and vectors are smaller. No
    gradient is clipped.
  - The phonetic encoder of the general preset sees features with their mean over the word taken
    off and their deviation made 1 (Chou et al. 2019, arXiv 1904.05742, normalize its layers so).
  - One batch serves all terms: a word, another recording of its speaker, and one of another
    speaker.
"""

import dataclasses

from keras_infogan import config
from keras_infogan.codes import Vector
from keras_infogan.config import setting
from keras_infogan.latents import LatentSpec, Noise


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequenceAutoencoderSettings(config.Settings):
    """Everything that defines a run of the sequence autoencoder, apart from the data."""

    title = "sequence autoencoder"
    paper = "Chen et al. 2018, arXiv 1803.10952"
    reads = ("image", "same_speaker", "other_speaker")

    phonetic_size: int = setting(
        64, "length of the phonetic vector: what is said", minimum=2, maximum=2**16
    )
    speaker_size: int = setting(
        16, "length of the speaker vector: who says it", minimum=1, maximum=2**16
    )
    encoder_units: int = setting(
        64, "units of each encoder's GRU, each way through the word", minimum=1, maximum=2**16
    )
    decoder_units: int = setting(128, "units of the decoder's GRU", minimum=1, maximum=2**16)
    decoder_inputs: int = setting(
        32,
        "numbers per frame that the decoder's GRU gets of both vectors",
        minimum=1,
        maximum=2**16,
    )
    adversary_units: int = setting(
        64, "units of the adversary's two hidden layers", minimum=1, maximum=2**16
    )
    instance_norm: bool = setting(
        False,
        "let the phonetic encoder see each feature with its mean over the word taken off and its "
        "deviation made 1, without which a voice is harder to tell (Chou et al. 2019, arXiv "
        "1904.05742)",
    )
    swap_speaker: bool = setting(
        True,
        "decode a word with the speaker vector of another recording of its speaker; "
        "--noswap_speaker with --speaker_weight=0 --adversary_weight=0 is a plain autoencoder",
    )
    speaker_weight: float = setting(
        1.0,
        "weight of the terms that draw one speaker's vectors together, and others' apart",
        minimum=0.0,
    )
    speaker_margin: float = setting(
        1.0, "distance from which on two speakers' vectors are far enough apart", minimum=0.0
    )
    adversary_weight: float = setting(
        0.3,
        "weight of the adversary, from which the phonetic encoder hides who speaks; 0: none",
        minimum=0.0,
    )
    adversary_loss: str = setting(
        "wasserstein",
        "difference of its scores of pairs of one and of two speakers, "
        "or the square of it as in the released code",
        choices=("wasserstein", "squared"),
    )
    adversary_updates: int = setting(
        10, "moves of the adversary before each of the autoencoder", minimum=1, maximum=100
    )
    gradient_penalty: float = setting(
        10.0, "weight of the penalty on the adversary's gradient", minimum=0.0
    )
    learning_rate: float = setting(1e-3, "Adam's step size", minimum=0.0)
    adversary_learning_rate: float = setting(
        1e-3, "Adam's step size for the adversary", minimum=0.0
    )
    adam_beta_1: float = setting(
        0.5, "Adam's decay of the first moment", minimum=0.0, maximum=0.999
    )

    @property
    def latent_spec(self):
        """The LatentSpec of these settings: two vectors that are encoded, and none drawn."""
        vectors = Vector("phonetic", self.phonetic_size), Vector("speaker", self.speaker_size)
        return LatentSpec(Noise(0), vectors)


# A preset is chosen by the data set's name, or with --preset; "general" serves all other data.
PRESETS = {
    "general": SequenceAutoencoderSettings(instance_norm=True, batch_size=64, steps=3000),
    # 256 words: a first run of a minute or two.
    "spoken_words_small": SequenceAutoencoderSettings(batch_size=64, steps=600),
}
