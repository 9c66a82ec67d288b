"""How well the recognizer's mean gives back the value that an image was generated from."""

from sklearn.metrics import r2_score

PROTOCOL = (
    "coefficient of determination of Q(c|x)'s mean for the value that a generated image was drawn "
    "with: 1 is perfect, 0 no better than a constant"
)


def read_back_r2(drawn_values, read_values):
    """Returns R^2, at most 1, of read for drawn values, both float (count,)."""
    return float(r2_score(drawn_values, read_values))
