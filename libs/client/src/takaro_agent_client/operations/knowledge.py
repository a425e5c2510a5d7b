"""Knowledge bases: their registry, syncs and the search."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypedDict, TypeVar, Unpack
from uuid import UUID

from takaro_agent_client.calls import Call, Listing, Order, call, each, in_camel_case, nothing, path
from takaro_agent_client.models import (
    Count,
    Document,
    Found,
    Hit,
    KnowledgeBase,
    ListedDocument,
    Sync,
    SyncRequest,
    WholeKnowledgeBase,
)

_BASES = "knowledge-bases"
T = TypeVar("T")
Mode = Literal["hybrid", "vector", "text"]


class Options(TypedDict, total=False):
    """What a base has besides an id, a name and a source. Private unless ``public``."""

    description: str
    version: str
    extensions: list[str]
    include: list[str]
    exclude: list[str]
    chunk_size: int
    chunk_overlap: int
    refresh_schedule: str | None
    public: bool


class Changes(Options, total=False):
    """The fields that change. ``refresh_schedule=None`` ends the schedule."""

    name: str
    source: str


def listing(*, order: Order | None = None) -> Listing[KnowledgeBase]:
    """The public bases and the caller's own, by id."""
    return Listing("knowledge", path(_BASES), KnowledgeBase.model_validate, query={"order": order})


def count() -> Call[Count]:
    """How many bases the caller sees."""
    return listing().count()


def get(id: str) -> Call[WholeKnowledgeBase]:
    """One base."""
    return call("knowledge", "GET", path(_BASES, id), WholeKnowledgeBase.model_validate)


def create(id: str, name: str, source: str, **options: Unpack[Options]) -> Call[WholeKnowledgeBase]:
    """Register a base of the caller's. Its first sync is requested when this answers."""
    body = in_camel_case({"id": id, "name": name, "source": source, **options})
    return call("knowledge", "POST", path(_BASES), WholeKnowledgeBase.model_validate, body=body)


def change(id: str, **changes: Unpack[Changes]) -> Call[WholeKnowledgeBase]:
    """Change the fields that are given."""
    where = path(_BASES, id)
    return call("knowledge", "PUT", where, WholeKnowledgeBase.model_validate, body=in_camel_case(changes))


def delete(id: str, *, version: str | None = None) -> Call[None]:
    """Delete the caller's base with its content; with ``version`` only the content of that version."""
    query = {} if version is None else {"version": version}
    return Call("knowledge", "DELETE", path(_BASES, id), nothing, query=query)


def agents(id: str, *, order: Order | None = None) -> Listing[UUID]:
    """Ids of the caller's custom agents that use the base."""
    return Listing("knowledge", path(_BASES, id, "agents"), UUID, query={"order": order})


def sync(id: str, *, confirm_removal: bool = False) -> Call[SyncRequest]:
    """Queue a sync; ``confirm_removal``: remove even most of the base, if its files have vanished."""
    body = {"confirmRemoval": confirm_removal}
    return call("knowledge", "POST", path(_BASES, id, "sync"), SyncRequest.model_validate, body=body)


def syncs(id: str, *, order: Order | None = None) -> Listing[Sync]:
    """The base's syncs, newest first."""
    where = path(_BASES, id, "syncs")
    return Listing("knowledge", where, Sync.model_validate, query={"order": order}, most=100)


def search(
    id: str,
    question: str,
    *,
    limit: int | None = None,
    version: str | None = None,
    mode: Mode | None = None,
    min_score: float | None = None,
    filters: Mapping[str, Any] | None = None,
) -> Call[list[Hit]]:
    """The chunks nearest to the question, best first: 5, or up to 50 with ``limit``. :func:`find` says more
    of each."""
    written = None if filters is None else json.dumps(filters)
    query = {"q": question, "limit": limit, "version": version, "mode": mode, "minScore": min_score}
    return call("knowledge", "GET", path(_BASES, id, "search"), each(Hit), query=query | {"filter": written})


def documents(
    id: str, *, prefix: str | None = None, version: str | None = None, order: Order | None = None
) -> Listing[ListedDocument]:
    """The files of the base that have text, by path; with ``prefix`` those whose paths begin so."""
    query = {"prefix": prefix, "version": version, "order": order}
    return Listing("knowledge", path(_BASES, id, "documents"), ListedDocument.model_validate, query=query)


def document(
    id: str,
    document_path: str,
    *,
    version: str | None = None,
    first_chunk: int | None = None,
    limit: int | None = None,
) -> Call[Document]:
    """The text of one file, as it was indexed: up to 500 chunks of it, from number ``first_chunk``."""
    where = path(_BASES, id, "documents", document_path)
    query = {"version": version, "firstChunk": first_chunk, "limit": limit}
    return call("knowledge", "GET", where, Document.model_validate, query=query)


class How(TypedDict, total=False):
    """How bases are searched: ``limit`` hits, 1 to 100, of at least ``min_score`` (the cosine), that pass
    ``filters``, with ``neighbours`` chunks before and after each; ``rerank`` sorts them by the service's
    reranker, and ``explain`` says how they were found."""

    limit: int
    mode: Mode
    min_score: float | None
    filters: Mapping[str, Any] | None
    version: str | None
    neighbours: int
    rerank: bool
    explain: bool


def find(ids: Sequence[str], question: str, **how: Unpack[How]) -> Call[Found]:
    """Search one or several bases together."""
    return _search(ids, lambda found: Found.model_validate(found[0]), {"query": question}, how)


def find_each(ids: Sequence[str], questions: Sequence[str], **how: Unpack[How]) -> Call[list[Found]]:
    """As :func:`find`, for up to 20 questions at once; the answers are in their order."""
    return _search(ids, each(Found), {"queries": list(questions)}, how)


def find_near(ids: Sequence[str], vector: Sequence[float], **how: Unpack[How]) -> Call[Found]:
    """As :func:`find`, for a vector that the bases' own model made."""
    return _search(ids, lambda found: Found.model_validate(found[0]), {"vector": list(vector)}, how)


def _search(
    ids: Sequence[str], form: Callable[[Any], T], asked: Mapping[str, Any], how: Mapping[str, Any]
) -> Call[T]:
    body = in_camel_case({"knowledge_base_ids": list(ids), **asked, **how})
    return replace(call("knowledge", "POST", path("search"), form, body=body), keyed=False)
