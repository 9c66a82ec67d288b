"""The variational lower bound L_I of a code (arXiv 1606.03657, equation 5)."""

import numpy as np

PROTOCOL = (
    "mean of log Q(c|x) + H(c) over generated images whose codes are drawn from the prior, with "
    "the entropy of the true prior, in nats; at most H(c)"
)


def mutual_information(information):
    """Returns the bound in nats, the mean of its values per image, float (count,)."""
    return float(np.mean(information))
