"""The ids of a sync and its job. Pure."""

from uuid import UUID

_PREFIX = "sync-"


def job_id_of(sync_id: UUID) -> str:
    """The id of the job of one of our syncs."""
    return f"{_PREFIX}{sync_id}"


def sync_id_of(job_id: str) -> UUID | None:
    """The sync that a job of ours stands for; ``None`` for another program's job."""
    try:
        return UUID(job_id.removeprefix(_PREFIX)) if job_id.startswith(_PREFIX) else None
    except ValueError:
        return None
