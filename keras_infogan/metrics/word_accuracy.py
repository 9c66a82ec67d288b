"""How well a vector says which word was said, by voices that the probe never heard (Chen et al.
2018, arXiv 1803.10952, ask the same of distances between words).
"""

from keras_infogan.metrics.probes import PROBE, held_out_accuracy

PROTOCOL = f"which word, on speakers held out from the probe: {PROBE}; features: the raw images"


def word_accuracy(vectors, words, speakers):
    """Returns the accuracy, in [0, 1].

    Vectors float (count, size), words and speakers int (count,).

    Raises:
      ValueError: if there are not two words that two speakers say.
    """
    return held_out_accuracy(vectors, words, speakers, ("word", "speaker"))
