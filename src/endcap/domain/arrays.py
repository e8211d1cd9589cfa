"""Names of the array types that cross module borders; shapes stand in the docstrings of their users."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[np.int32]
Floats: TypeAlias = NDArray[np.float32]
Millis: TypeAlias = NDArray[np.int64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

NO_ROWS: Rows = np.empty(0, np.int32)
NO_ROWS.flags.writeable = False
