"""Texts that an embedder refuses: found by halving, so that they cost the others nothing.

An API that answers 400 or 500 because of one word says it of the whole request, and so does a limit on the
size of a request. What fails for every text is no refusal but an outage, or a wrong setting.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from common.errors import PermanentError, TakaroError, TransientError
from knowledge.embeddings import Embedder, Vectors
from knowledge.embeddings.vectors import BadEmbeddings

HARMLESS = "test"
"""A text that every embedder takes, unless it takes none."""


class TextsRefused(PermanentError):
    """The embedder doesn't take the texts, or takes none at all."""

    default_code = "embeddings_refused"


class TextsFailed(TransientError):
    """The embedder fails with the texts, again and again, or with any."""

    default_code = "embeddings_failed"


REFUSALS = (TextsRefused, TextsFailed, BadEmbeddings)


@dataclass(slots=True, frozen=True)
class Part:
    """The texts from ``start`` on that were embedded together, or one that was refused, and why."""

    start: int
    vectors: Vectors | None = None
    refusal: TakaroError | None = None


async def embed_parts(embedder: Embedder, texts: Sequence[str]) -> AsyncGenerator[Part, None]:
    """Embed ``texts``: in one call, or, if that is refused, in halves until the refused texts are found.

    For each refused text at most log2(number of texts) calls fail on the way to it. Raises what the embedder
    raises for a harmless text too, and every other error.
    """
    try:
        yield Part(0, await embedder.embed(texts))
        return
    except REFUSALS as error:
        refusal = error
    await _check_embeds_any(embedder, refusal)
    if len(texts) == 1:
        yield Part(0, refusal=refusal)
        return
    ahead = _halves(0, len(texts))
    while ahead:
        start, stop = ahead.pop()
        try:
            part = Part(start, await embedder.embed(texts[start:stop], once=stop - start > 1))
        except REFUSALS as error:
            if stop - start > 1:
                ahead += _halves(start, stop)
                continue
            part = Part(start, refusal=error)
        yield part


async def _check_embeds_any(embedder: Embedder, refusal: TakaroError) -> None:
    """Raises ``refusal`` if a harmless text is refused as well."""
    try:
        await embedder.embed([HARMLESS], once=True)
    except REFUSALS:
        raise refusal from None


def _halves(start: int, stop: int) -> list[tuple[int, int]]:
    """The second half and the first, which is popped before it."""
    middle = (start + stop) // 2
    return [(middle, stop), (start, middle)]
