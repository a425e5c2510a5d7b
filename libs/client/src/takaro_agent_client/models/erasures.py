"""What chat answers about erasures."""

from datetime import datetime
from uuid import UUID

from takaro_agent_client.models.model import Model


class Erasure(Model):
    """A requested erasure, and the address of its receipt."""

    id: UUID
    receipt: str


class ErasedByService(Model):
    """What a service has erased so far: rows by table, entries by stream."""

    finished_at: datetime | None
    tables: dict[str, int]
    streams: dict[str, int]


class ErasureReceipt(Model):
    """What was erased so far, by service. ``user_sha256`` is the SHA-256 of the user's id."""

    id: UUID
    user_sha256: str
    requested_at: datetime
    finished: bool
    services: dict[str, ErasedByService]
