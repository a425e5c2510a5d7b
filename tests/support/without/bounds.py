"""What keeps memory, streams and tables from growing."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from backbone import inbox as inboxes
from backbone import window
from backbone.redis_streams import silence, trimming
from backbone.redis_streams.entry_ids import age_of
from backbone.redis_streams.group import Group
from backbone.redis_streams.handover import Handover
from backbone.redis_streams.silence import Need
from backbone.validation import Item
from knowledge.readers.pool import Session
from tests.support.without.patch import Patch, none_of_them


def read_ahead_limit(patch: Patch) -> None:
    """A reader accepts everything, however slow the handler is."""
    put = Handover.put

    async def put_at_once(self: Handover, items: Sequence[Item], _: int) -> None:
        self._limit = self._budget = 1 << 60
        await put(self, items, 0)

    patch.setattr(Handover, "put", put_at_once)


def counting_of_bytes(patch: Patch) -> None:
    """Every entry counts as a small one."""
    patch.setattr(window, "entry_bytes", lambda _: 1)


def asking_the_groups(patch: Patch) -> None:
    """Trimming assumes that no group needs anything."""

    async def needs_nothing(_: Any, __: str, info: Any) -> Need:
        name = info["name"]
        return Need(name.decode() if isinstance(name, bytes) else name, None)

    patch.setattr(trimming, "_need", needs_nothing)


def notes_of_silence(patch: Patch) -> None:
    """A group is as silent as its consumers are idle, or as its oldest entry is old."""

    def judge(need: Need, _: object, now: float, __: float) -> silence.Silence:
        idle = age_of(need.oldest or "0") if need.idle_seconds is None else need.idle_seconds
        return silence.Silence(need.position, now - idle, now - idle, now)

    patch.setattr(silence, "_silence", judge)


def sweep_of_consumers(patch: Patch) -> None:
    """Consumers of former connections stay."""
    patch.setattr(Group, "remove_idle_consumers", none_of_them)


def pruning_of_the_inbox(patch: Patch) -> None:
    """The inbox deletes nothing."""

    async def prune(*_: Any, **__: Any) -> int:
        return 0

    patch.setattr(inboxes, "prune", prune)


def reader_processes(patch: Patch) -> None:
    """Files are read in threads of the service itself, without a limit."""

    async def run(_: Session, task: Callable[..., Any], content: bytes, *args: Any, **named: Any) -> Any:
        return await asyncio.to_thread(task, content, *args, **named)

    patch.setattr(Session, "run", run)
