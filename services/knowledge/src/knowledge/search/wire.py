"""JSON of the search."""

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from knowledge.search.records import Hit


class HitJson(TypedDict):
    """A chunk that was found. ``score`` is its cosine similarity to the question."""

    content: str
    score: float
    metadata: Annotated[
        dict[str, Any],
        Field(examples=[{"sourceFile": "docs/events.md", "chunkIndex": 2, "totalChunks": 14}]),
    ]


def hit_json(hit: Hit) -> HitJson:
    """A chunk that was found; ``score`` is the cosine similarity."""
    return {"content": hit.content, "score": hit.score, "metadata": hit.metadata}
