"""How a sync and its job are called. Pure."""

from uuid import UUID

_PREFIX = "sync-"


def job_id_of(sync_id: UUID) -> str:
    """The id of the job that a sync of ours is."""
    return f"{_PREFIX}{sync_id}"


def sync_id_of(job_id: str) -> UUID | None:
    """The sync that a job of ours stands for; ``None`` for anybody else's."""
    try:
        return UUID(job_id.removeprefix(_PREFIX)) if job_id.startswith(_PREFIX) else None
    except ValueError:
        return None
