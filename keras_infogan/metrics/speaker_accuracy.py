"""How well a vector says who speaks, by words that the probe never heard: high for a speaker
vector, low for a phonetic one that keeps the speaker out (Chen et al. 2018, arXiv 1803.10952).
"""

from keras_infogan.metrics.probes import PROBE, held_out_accuracy

PROTOCOL = f"which speaker, on words held out from the probe: {PROBE}; features: the raw images"


def speaker_accuracy(vectors, words, speakers):
    """Returns the accuracy, in [0, 1].

    Vectors float (count, size), words and speakers int (count,).

    Raises:
      ValueError: if there are not two speakers of two words each.
    """
    return held_out_accuracy(vectors, speakers, words, ("speaker", "word"))
