"""How much of what a code changes in the image the other codes leave alone."""

import numpy as np

PROTOCOL = (
    "at each start every code is redrawn in turn; the share of a code's squared change of the "
    "image that lies outside the span of the other codes' changes there: 1 if it does what no "
    "other code does, 0 if others could do the same"
)


def isolation(code_changes):
    """Returns one share in [0, 1] per code.

    Args:
      code_changes: dict from a code's name to float (count, pixels), the change of each start image
        when that code is redrawn.

    Raises:
      ValueError: if there are fewer than two codes; there is nothing then to be apart from.
    """
    if len(code_changes) < 2:
        raise ValueError(
            f"there {'is only one code' if code_changes else 'are no codes'}, and isolation is "
            "from other codes"
        )
    changes = np.stack(list(code_changes.values()), axis=1).astype(np.float64)
    products = changes @ changes.swapaxes(1, 2)  # (count, codes, codes)
    scores = {}
    for index, name in enumerate(code_changes):
        others = np.arange(len(code_changes)) != index
        energy, shared = products[:, index, index], products[:, others, index]
        # The squared length of the projection on the others' span, which may have fewer dimensions
        # than there are others.
        inverse = np.linalg.pinv(products[:, others][:, :, others], rcond=1e-6, hermitian=True)
        explained = np.einsum("ni,nij,nj->n", shared, inverse, shared)
        total = energy.sum()
        # A code that changes nothing has nothing of its own.
        scores[name] = float(np.clip(1 - explained.sum() / total, 0, 1)) if total > 0 else 0.0
    return scores
