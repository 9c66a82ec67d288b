"""Of each recording another of the same speaker, or one of another speaker."""

import numpy as np

from keras_infogan.config import UserError

STREAMS = ("same_speaker", "other_speaker")


def check(speakers):
    """Raises UserError unless recordings, of which `speakers` says who speaks, int (count,) or
    None, can be paired so.
    """
    if speakers is None:
        raise UserError(
            "this model learns from who speaks, which these images do not say; give "
            "--dataset=spoken_words_small, spoken_words or words_folder."
        )
    _, counts = np.unique(speakers, return_counts=True)
    if len(counts) < 2:
        raise UserError(
            "the data has one speaker only; add recordings of others, to tell speakers apart by."
        )
    if counts.min() < 2:
        raise UserError(
            f"{np.sum(counts < 2)} of {len(counts)} speakers have one recording only; give each "
            "of them at least two."
        )


def partner(stream, speakers, seed):
    """Returns a function (index, position) -> index, tensors of int64, for tf.data: of a recording
    the partner that it has at a position in training, drawn anew for each, all alike.

    Args:
      stream: one of `STREAMS`.
      speakers: int (count,), as `check` takes them.
      seed: of the draws.
    """
    import tensorflow as tf

    order = np.argsort(speakers, kind="stable")
    _, first, which, counts = np.unique(
        np.asarray(speakers)[order], return_index=True, return_inverse=True, return_counts=True
    )
    # By recording: where it stands in the order of speakers, where its speaker's begin there, and
    # how many those are.
    place = np.argsort(order)
    begin, count = first[which][place], counts[which][place]

    def chosen(index, position):
        key = tf.stack([tf.constant(seed, tf.int64), 2 * position + STREAMS.index(stream)])
        drawn = tf.random.stateless_uniform((), key, maxval=2**62, dtype=tf.int64)
        own, mine, num = (tf.gather(table, index) for table in (place, begin, count))
        # Around the circle of the speaker's recordings, or of all, to none that is not meant.
        if stream == "same_speaker":
            found = mine + (own - mine + 1 + drawn % (num - 1)) % num
        else:
            found = (mine + num + drawn % (len(order) - num)) % len(order)
        return tf.gather(order, found)

    return chosen
