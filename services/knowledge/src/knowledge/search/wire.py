"""JSON of the search."""

from typing import Any

from knowledge.search.records import Hit


def hit_json(hit: Hit) -> dict[str, Any]:
    """A chunk that was found; ``score`` is the cosine similarity."""
    return {"content": hit.content, "score": hit.score, "metadata": hit.metadata}
