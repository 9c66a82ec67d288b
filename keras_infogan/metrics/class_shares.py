"""Whether a generator makes images of every class."""

import numpy as np
from scipy.stats import entropy
from sklearn.neighbors import KNeighborsClassifier

_NEIGHBORS = 10
PROTOCOL = (
    f"generated images get the class of most of their {_NEIGHBORS} nearest real images in the "
    "feature space; smallest, largest: the shares of the rarest and the commonest class; "
    "perplexity: the exponential of the shares' entropy, "
    "the number of classes if all are equally common"
)


def class_shares(real_features, real_labels, generated_features):
    """Returns a dict of "smallest", "largest" and "perplexity".

    Args:
      real_features: float (count, size).
      real_labels: int (count,), their classes.
      generated_features: float (generated, size).

    Raises:
      ValueError: if there are fewer real images than neighbors.
    """
    if len(real_features) < _NEIGHBORS:
        raise ValueError(
            f"it needs at least {_NEIGHBORS} real images, and there are {len(real_features)}"
        )
    found = (
        KNeighborsClassifier(_NEIGHBORS).fit(real_features, real_labels).predict(generated_features)
    )
    shares = np.array([np.mean(found == label) for label in np.unique(real_labels)])
    return {
        "smallest": float(shares.min()),
        "largest": float(shares.max()),
        "perplexity": float(np.exp(entropy(shares))),
    }
