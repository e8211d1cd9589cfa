"""Names of the array types that cross module borders, and how kernels over them are compiled."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])

Rows: TypeAlias = NDArray[np.int32]
Floats: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]
Millis: TypeAlias = NDArray[np.int64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

NO_ROWS: Rows = np.empty(0, np.int32)
NO_ROWS.flags.writeable = False


def compiled(kernel: _Kernel) -> _Kernel:
    """`kernel` compiled by Numba at its first call, cached on disk, free of the GIL, without fast-math."""
    return cast(_Kernel, numba.njit(cache=True, nogil=True)(kernel))
