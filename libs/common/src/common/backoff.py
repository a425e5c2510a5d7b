"""The one retry pause: exponential with full jitter.

Source of the algorithm: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

import random


def pause(attempt: int, *, first: float, longest: float) -> float:
    """Seconds to wait before retry number ``attempt`` (from 1): between half and all of the doubled pause."""
    ceiling = min(longest, first * 2.0 ** min(attempt - 1, 32))
    return ceiling * (0.5 + random.random() / 2)
