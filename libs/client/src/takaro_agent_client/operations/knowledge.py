"""Knowledge bases: their registry, syncs and the search."""

from typing import TypedDict, Unpack
from uuid import UUID

from takaro_agent_client.calls import Call, Listing, Order, call, each, in_camel_case, nothing, path
from takaro_agent_client.models import Count, Hit, KnowledgeBase, Sync, SyncRequest, WholeKnowledgeBase

_BASES = "knowledge-bases"


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
    id: str, question: str, *, limit: int | None = None, version: str | None = None
) -> Call[list[Hit]]:
    """The chunks nearest to the question, best first: 5, or up to 50 with ``limit``."""
    query = {"q": question, "limit": limit, "version": version}
    return call("knowledge", "GET", path(_BASES, id, "search"), each(Hit), query=query)
