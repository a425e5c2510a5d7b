"""Buy the embeddings that the cache lacks, each once, in as few calls as there can be.

They go to the cache at once: a sync that is killed or fails later has lost none of them.
"""

from collections.abc import Awaitable, Callable, Sequence

from common.postgres import Pool
from knowledge.binary_codecs import register_binary
from knowledge.embeddings import Embedder
from knowledge.sync import repository
from knowledge.sync.models import Chunk

Bought = Callable[[Sequence[str], int], Awaitable[None]]
"""Told of each batch: its texts, and how many more are to be bought now."""


class Buyer:
    """Collects texts over many files, and hands full batches to the embedder."""

    def __init__(self, pool: Pool, embedder: Embedder) -> None:
        self._pool, self._embedder = pool, embedder
        self._wanted: dict[bytes, str] = {}

    async def want(self, chunks: Sequence[Chunk]) -> None:
        """Remember the texts of ``chunks`` whose embeddings aren't in the cache."""
        texts = {chunk.content_hash: chunk.content for chunk in chunks}
        if not texts:
            return
        async with self._pool.acquire() as connection:
            await repository.update_cache_used(connection, self._embedder.model, list(texts))
            cached = await repository.list_cached_hashes(connection, self._embedder.model, list(texts))
        self._wanted.update((key, text) for key, text in texts.items() if key not in cached)

    async def buy(self, told: Bought, *, rest: bool) -> None:
        """Embed what is wanted, as long as there are full batches; with ``rest``, all of it."""
        size = self._embedder.batch_size
        while len(self._wanted) >= size or (rest and self._wanted):
            hashes = list(self._wanted)[:size]
            texts = [self._wanted[content_hash] for content_hash in hashes]
            vectors = await self._embedder.embed(texts)
            async with self._pool.acquire() as connection:
                await register_binary(connection)
                await repository.insert_cached(connection, self._embedder.model, hashes, vectors)
            for content_hash in hashes:
                del self._wanted[content_hash]
            await told(texts, len(self._wanted) if rest else len(self._wanted) // size * size)
