"""Embedders: texts in, unit-length vectors of 1,536 dimensions out.

Vectors of two models must never meet in one base, so every embedder has a ``model`` id that changes whenever
its vectors would.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 1536
"""What the column ``knowledge_embeddings.embedding`` holds."""

Vectors = NDArray[np.float32]
"""Shape (number of texts, 1536)."""


class Embedder(Protocol):
    """Anything that embeds. Never blocks the event loop."""

    @property
    def model(self) -> str:
        """Names the vector space: two embedders with the same id give comparable vectors."""
        ...

    @property
    def batch_size(self) -> int:
        """How many texts to hand over at once."""
        ...

    async def embed(self, texts: Sequence[str], *, urgent: bool = False) -> Vectors:
        """One row a text, in order, each of length 1.

        ``urgent`` is set for a person's query, which must not wait behind a sync. Raises ``TransientError``
        when the provider is away, ``PermanentError`` when it refuses or answers nonsense.
        """
        ...

    async def close(self) -> None: ...
