"""Embedders: texts in, unit-length vectors of 1,536 dimensions out.

Vectors of two models must never mix in one base, so every embedder has a ``model`` id that changes whenever
its vectors would.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from knowledge.windows import Window

DIMENSIONS = 1536
"""The dimensions of the column ``knowledge_embeddings.embedding``."""

Vectors = NDArray[np.float32]
"""Shape (number of texts, 1536)."""

CHARACTERS_A_TOKEN = 4
"""Characters in a token of English text, with the usual tokenizers. A provider bills by its own count."""


def estimate_tokens(texts: Sequence[str]) -> int:
    """Approximate number of tokens of ``texts``."""
    return sum(-(-len(text) // CHARACTERS_A_TOKEN) for text in texts)


class Embedder(Protocol):
    """Anything that embeds. Never blocks the event loop."""

    @property
    def model(self) -> str:
        """Names the vector space: two embedders with the same id give comparable vectors."""
        ...

    @property
    def window(self) -> Window | None:
        """How much of a text it reads; ``None`` if it reads all of it."""
        ...

    @property
    def batch_size(self) -> int:
        """Texts to pass at once."""
        ...

    @property
    def concurrency(self) -> int:
        """Batches of one sync to pass before the first is answered. More don't make it faster."""
        ...

    async def embed(self, texts: Sequence[str], *, urgent: bool = False, once: bool = False) -> Vectors:
        """One row for each text, in order, each of length 1.

        ``urgent`` is set for a person's query, which must not wait behind a sync. With ``once`` a call that
        these texts make fail isn't repeated. Raises ``TransientError`` if the provider is down, and one of
        :data:`knowledge.embeddings.refusals.REFUSALS` if the texts may be the reason.
        """
        ...

    async def close(self) -> None: ...
