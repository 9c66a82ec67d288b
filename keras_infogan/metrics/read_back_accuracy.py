"""How often the recognizer names the category, or the bit, that an image was generated from."""

from sklearn.metrics import accuracy_score

PROTOCOL = (
    "share of generated images whose likeliest category under Q(c|x) is the one "
    "they were drawn with"
)


def read_back_accuracy(drawn_categories, read_categories):
    """Returns the share, in [0, 1], of equal entries of two int (count,)."""
    return float(accuracy_score(drawn_categories, read_categories))
