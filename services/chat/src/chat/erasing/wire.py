"""Erasures on the wire."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path
from pydantic import Field
from typing_extensions import TypedDict

from backbone.erasures import Receipt
from common.json_time import json_time
from contracts.chat import UserId
from servicekit.answers import Body
from servicekit.forms import Time, Uuid

ErasureId = Annotated[UUID, Path(alias="erasureId")]
LOCATION: dict[str, Any] = {
    "Location": {
        "description": "The receipt's address.",
        "schema": {"type": "string", "examples": ["/api/erasures/5f0cb1a2-0000-4000-8000-000000000000"]},
    }
}


class EraseUser(Body):
    """Whom to erase."""

    user_id: UserId = Field(examples=["ann"])


class ErasureJson(TypedDict):
    """A requested erasure. ``receipt`` is the address at which its progress can be read."""

    id: Uuid
    receipt: str


class ServiceReceiptJson(TypedDict):
    """What a service has erased so far: rows by table, entries by stream, and jobs by queue."""

    finishedAt: Time | None
    tables: dict[str, int]
    streams: dict[str, int]


class ReceiptJson(TypedDict):
    """What was erased so far, by service. ``userSha256`` is the SHA-256 of the user's id in UTF-8."""

    id: Uuid
    userSha256: str
    requestedAt: Time
    finished: bool
    services: dict[str, ServiceReceiptJson]


def address_of(erasure_id: UUID) -> str:
    """Where an erasure's receipt is."""
    return f"/api/erasures/{erasure_id}"


def erasure_json(erasure_id: UUID) -> ErasureJson:
    """A request as its caller knows it."""
    return {"id": str(erasure_id), "receipt": address_of(erasure_id)}


def receipt_json(erasure_id: UUID, receipts: Sequence[Receipt]) -> ReceiptJson:
    """The services' receipts of one erasure as one."""
    return {
        "id": str(erasure_id),
        "userSha256": receipts[0].user_sha256.hex(),
        "requestedAt": json_time(receipts[0].requested_at),
        "finished": all(each.finished_at is not None for each in receipts),
        "services": {
            each.service: {
                "finishedAt": json_time(each.finished_at),
                "tables": dict(each.counts),
                "streams": dict(each.streams),
            }
            for each in receipts
        },
    }
