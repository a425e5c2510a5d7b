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

CHARACTERS_A_TOKEN = 4
"""What English text comes to with the usual tokenizers. An embedder bills by its own count."""


def estimate_tokens(texts: Sequence[str]) -> int:
    """How many tokens ``texts`` come to, more or less."""
    return sum(-(-len(text) // CHARACTERS_A_TOKEN) for text in texts)


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

    @property
    def concurrency(self) -> int:
        """How many batches of one sync to hand over before the first is answered: more make it no faster."""
        ...

    async def embed(self, texts: Sequence[str], *, urgent: bool = False) -> Vectors:
        """One row a text, in order, each of length 1.

        ``urgent`` is set for a person's query, which must not wait behind a sync. Raises ``TransientError``
        when the provider is away, ``PermanentError`` when it refuses or answers nonsense.
        """
        ...

    async def close(self) -> None: ...
