"""Searches on the wire."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from chat.search.records import Hit, Part
from common.json_time import json_time
from servicekit.forms import Time, Uuid


class PartJson(TypedDict):
    """A piece of a fragment, as plain text without markup. ``match``: it is what was searched for."""

    text: str
    match: bool


class HitJson(TypedDict):
    """A message that was found. ``fragments`` are up to three pieces of its content, each in parts."""

    id: Uuid
    conversationId: Uuid
    sequence: Annotated[int, Field(description="The place in the conversation: 1, 2, 3 …")]
    role: Annotated[str, Field(examples=["user", "assistant"])]
    createdAt: Time | None
    conversationTitle: str | None
    agentId: Annotated[str, Field(examples=["module-writer"])]
    agentVersion: Annotated[str, Field(examples=["grok-fast"])]
    fragments: list[list[PartJson]]


def hit_json(hit: Hit) -> HitJson:
    """A found message as clients know it."""
    return {
        "id": str(hit.id),
        "conversationId": str(hit.conversation_id),
        "sequence": hit.sequence,
        "role": hit.role,
        "createdAt": json_time(hit.created_at),
        "conversationTitle": hit.title,
        "agentId": hit.agent_id,
        "agentVersion": hit.agent_version,
        "fragments": [[_part_json(part) for part in fragment] for fragment in hit.fragments],
    }


def _part_json(part: Part) -> PartJson:
    return {"text": part.text, "match": part.match}
