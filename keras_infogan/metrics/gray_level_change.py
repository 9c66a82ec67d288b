"""How far one of the generator's inputs moves a pixel."""

import numpy as np

PROTOCOL = (
    "root mean square change of a pixel, in gray levels of 255, "
    "when only this input is redrawn from its prior"
)


def gray_level_change(moved_images, start_images):
    """Returns the change, from 0 to 255, between two float
    (count, height, width, channels) in [-1, 1].
    """
    return float(np.sqrt(np.square(moved_images - start_images, dtype=np.float64).mean()) * 127.5)
