"""What keeps entries in order, and strands none."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer
from faststream.redis.subscriber.usecases import stream_subscriber
from redis.exceptions import ResponseError

from backbone import reader
from backbone.events import RawEntry
from backbone.kafka.partitions import Progress
from backbone.redis_streams.group import Group
from tests.support.without.patch import Patch, no, none_of_them


def drain(patch: Patch) -> None:
    """Other consumers' pending entries are neither drained, looked for nor waited for."""
    patch.setattr(Group, "list_pending", none_of_them)
    patch.setattr(Group, "list_idle", none_of_them)
    read_fence(patch)


def read_fence(patch: Patch) -> None:
    """Entries delivered earlier to others aren't waited for."""
    patch.setattr(Group, "is_held_by_others", no)


def group_at_the_beginning(patch: Patch) -> None:
    """A group is created at the end of its stream."""

    async def ensure(self: Group) -> bool:
        with suppress(ResponseError):  # it exists
            await self.redis.xgroup_create(self.stream, self.name, id="$", mkstream=True)
            return True
        return False

    patch.setattr(Group, "ensure", ensure)


def healing_of_groups(patch: Patch) -> None:
    """A lost group isn't recreated."""
    patch.setattr(Group, "ensure", no)


def leaving_out_what_was_trimmed(patch: Patch) -> None:
    """Pending entries are read, and never claimed: only a claim makes Redis forget deleted ones."""

    async def claim(self: Group, _: str, entry_ids: Sequence[str]) -> list[RawEntry]:
        return await self.fetch(entry_ids)

    patch.setattr(Group, "claim", claim)


def watched_connections(patch: Patch) -> None:
    """A reader that has lost its connection makes another, and reads on.

    FastStream's pause after an error, of a few seconds, would hide that now and then.
    """
    patch.setattr(stream_subscriber, "CONSUME_ERROR_BACKOFF_SECONDS", 0.05)
    patch.setattr(reader, "_watched", lambda base, _: base)


def read_committed(patch: Patch) -> None:
    """Kafka's consumers read the records of aborted and of open transactions."""
    init = AIOKafkaConsumer.__init__

    def uncommitted(self: Any, *topics: str, **settings: Any) -> None:
        init(self, *topics, **settings | {"isolation_level": "read_uncommitted"})

    patch.setattr(AIOKafkaConsumer, "__init__", uncommitted)


def reports_of_lost_groups(patch: Patch) -> None:
    """FastStream deals with ``NOGROUP`` by itself."""

    def plain(base: type[Any], on_interruption: Callable[[], None]) -> type[Any]:
        class Plain(base):  # type: ignore[misc]
            async def disconnect(self, *args: object, **kwargs: object) -> None:
                on_interruption()
                await super().disconnect(*args, **kwargs)

        return Plain

    patch.setattr(reader, "_watched", plain)


def offsets_that_wait(patch: Patch) -> None:
    """Kafka's offsets are committed past entries that aren't done."""
    patch.setattr(Progress, "low", property(lambda progress: progress.next))
