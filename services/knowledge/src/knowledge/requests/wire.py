"""JSON of sync requests."""

from typing import Literal

from typing_extensions import TypedDict


class SyncRequestJson(TypedDict):
    """A request that is stored. ``jobId`` is that of the job in the queue, and in the history of syncs."""

    jobId: str
    status: Literal["queued"]
