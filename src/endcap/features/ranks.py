"""Places in an order, as a feature."""

import numpy as np

from endcap.domain.arrays import Floats


def places(values: Floats) -> Floats:
    """float32 [n]: how many of `values` are larger. Equal ones share a place, so none depends on the order of rows.

    >>> places(np.array([0.5, 2, 0.5, 1], np.float32))
    array([2., 0., 2., 1.], dtype=float32)
    """
    return np.searchsorted(np.sort(-values), -values).astype(np.float32)
