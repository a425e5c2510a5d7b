"""JSON of sync requests."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, StrictBool
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict


class WantedSync(BaseModel):
    """What to sync. ``confirmRemoval``: remove even most of the base, if its files have vanished."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    confirm_removal: StrictBool = False


class SyncRequestJson(TypedDict):
    """A request that is stored. ``jobId`` is that of the job in the queue, and in the history of syncs."""

    jobId: str
    status: Literal["queued"]
