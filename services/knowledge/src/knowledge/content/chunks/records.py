"""A chunk of a file: one row of ``knowledge_embeddings``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

FrontMatter: TypeAlias = Mapping[str, str | list[str]]
"""What the head of a file says of it, in its own words."""


class Passage(NamedTuple):
    """A piece of a text, and the headings that it is under, outermost first."""

    text: str
    headings: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class Page:
    """What all chunks of a content share."""

    title: str = ""
    front_matter: FrontMatter = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Chunk:
    """A row to be written. ``id`` is derived from everything in the row except its place in the file.
    ``lead`` is what ``content`` is embedded behind; ``content_hash`` is SHA-256 of both."""

    id: UUID
    path: str
    index: int
    total: int
    content: str
    content_hash: bytes
    lead: str
    headings: Sequence[str]
    page: Page

    @property
    def embedded(self) -> str:
        """The text that is embedded."""
        return self.lead + self.content

    def metadata(self) -> dict[str, Any]:
        """The row's metadata: the Node application's keys, and ours where there is something to say."""
        own = {"title": self.page.title, "headings": self.headings, "frontMatter": self.page.front_matter}
        place = place_of(self.path, self.index, self.total)
        return place | {key: value for key, value in own.items() if value}


def place_of(path: str, index: int, total: int) -> dict[str, Any]:
    """A row's place in its file, as the Node application writes it in its metadata."""
    return {"sourceFile": path, "chunkIndex": index, "totalChunks": total}


def metadata_of(stored: object) -> dict[str, Any]:
    """A row's metadata as it is shown. Another writer's may be anything: what is no object says nothing."""
    return stored if isinstance(stored, dict) else {}


def described_by(metadata: object) -> tuple[Page, tuple[str, ...]]:
    """What :meth:`Chunk.metadata` wrote of a row besides its place. Another writer's may be anything."""
    if not isinstance(metadata, dict):
        return Page(), ()
    title, headings, front_matter = (metadata.get(key) for key in ("title", "headings", "frontMatter"))
    return (
        Page(title if isinstance(title, str) else "", front_matter if isinstance(front_matter, dict) else {}),
        tuple(name for name in headings if isinstance(name, str)) if isinstance(headings, list) else (),
    )
