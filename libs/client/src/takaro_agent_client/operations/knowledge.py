"""Knowledge bases: their registry, syncs and the search."""

from typing import Any

from takaro_agent_client.calls import Call, Listing, call, nothing, path
from takaro_agent_client.models import Hit, KnowledgeBase, SyncRequest

_BASES = "knowledge-bases"


def listing() -> Listing[KnowledgeBase]:
    """The public bases, and the caller's own."""
    return Listing("knowledge", path(_BASES), KnowledgeBase.model_validate)


def get(id: str) -> Call[KnowledgeBase]:
    """One base."""
    return call("knowledge", "GET", path(_BASES, id), KnowledgeBase.model_validate)


def create(id: str, name: str, source: str, **more: Any) -> Call[KnowledgeBase]:
    """Register a base of the caller's; ``more`` are further fields of the body, in camelCase."""
    body = {"id": id, "name": name, "source": source, **more}
    return call("knowledge", "POST", path(_BASES), KnowledgeBase.model_validate, body=body)


def change(id: str, **changes: Any) -> Call[KnowledgeBase]:
    """Change the fields that are given, in camelCase."""
    return call("knowledge", "PUT", path(_BASES, id), KnowledgeBase.model_validate, body=changes)


def delete(id: str, *, version: str | None = None) -> Call[None]:
    """Delete the caller's base with its content; with ``version`` only the content of that version."""
    query = {} if version is None else {"version": version}
    return Call("knowledge", "DELETE", path(_BASES, id), nothing, query=query)


def agents(id: str) -> Call[list[str]]:
    """Ids of the caller's custom agents that use the base."""
    return call("knowledge", "GET", path(_BASES, id, "agents"), list)


def sync(id: str, *, confirm_removal: bool = False) -> Call[SyncRequest]:
    """Queue a sync; ``confirm_removal``: remove even most of the base, if its files have vanished."""
    body = {"confirmRemoval": confirm_removal}
    return call("knowledge", "POST", path(_BASES, id, "sync"), SyncRequest.model_validate, body=body)


def syncs(id: str, *, limit: int | None = None) -> Call[list[dict[str, Any]]]:
    """The base's newest syncs, as JSON."""
    return call("knowledge", "GET", path(_BASES, id, "syncs"), list, query={"limit": limit})


def search(
    id: str, question: str, *, limit: int | None = None, version: str | None = None
) -> Call[list[Hit]]:
    """The chunks nearest to the question, best first: 5, or up to 50 with ``limit``."""
    query = {"q": question, "limit": limit, "version": version}
    return call("knowledge", "GET", path(_BASES, id, "search"), _hits, query=query)


def _hits(items: list[Any]) -> list[Hit]:
    return [Hit.model_validate(item) for item in items]
