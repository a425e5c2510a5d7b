"""``python -m tests.proof.sabotage chat --without fencing``: a service with mechanisms taken out.

The product has no switches for this. Each function here replaces exactly what it names, in this process,
before the service is composed. The insert trigger is not here: it lives in the database (``DROP_TRIGGER``).
"""

import argparse
import asyncio
import runpy
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

from backbone import inbox, leases
from backbone.events import Event
from backbone.handlers import Command, Rejection
from backbone.leases import Lease
from backbone.processor import Processor
from backbone.redis_streams.consumer import StreamConsumer
from backbone.redis_streams.group import Group
from backbone.validation import Item
from chat.messages import handlers
from chat.messages.records import NewMessage
from servicekit import running

DROP_TRIGGER = "DROP TRIGGER messages_order ON messages"


def without_inbox() -> None:
    """Every delivery is news: nothing is claimed, and a message has a new id each time."""

    async def claim(_: Any, __: str, records: Sequence[tuple[UUID, Event]]) -> set[UUID]:
        return {key for key, _ in records}

    named = handlers._new_message

    def renamed(command: Command[Any]) -> NewMessage:
        message = named(command)
        message.id = uuid4()
        return message

    inbox.claim = claim  # type: ignore[assignment]
    handlers._new_message = renamed


def without_ack_after_commit() -> None:
    """Entries are acknowledged before they are handled."""
    apply = Processor._apply

    async def acknowledge_first(self: Processor, items: Sequence[Item]) -> dict[int, Rejection]:
        await self.source.acknowledge([item.entry[0] for item in items])
        return await apply(self, items)

    Processor._apply = acknowledge_first  # type: ignore[method-assign]


def without_drain_before_read() -> None:
    """What others left pending is neither drained nor looked for."""

    async def nothing(_: StreamConsumer) -> None:
        return

    StreamConsumer._drain = nothing  # type: ignore[assignment, method-assign]
    StreamConsumer._tend = nothing  # type: ignore[assignment, method-assign]
    without_read_fencing()


def without_fencing() -> None:
    """A transaction doesn't ask whether its process still holds the lease."""

    async def hold(_: Lease, __: Any) -> None:
        return

    Lease.hold = hold  # type: ignore[assignment, method-assign]


def without_takeover() -> None:
    """That a lease has expired is overlooked."""
    leases.LOOK = leases.LOOK.replace("expires_at < clock_timestamp()", "false")


def without_read_fencing() -> None:
    """What others were handed earlier is not waited for."""

    async def nobody(_: Group, __: str) -> bool:
        return False

    Group.is_held_by_others = nobody  # type: ignore[assignment, method-assign]


def without_stop_limits() -> None:
    """A stop waits for the batch in hand until it is through, and nothing ends a process that hangs."""

    async def finish(self: StreamConsumer, handling: "asyncio.Task[None]") -> None:
        if not self._processor.in_flight:
            handling.cancel()
        while not handling.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([handling])

    def never(_: running._Server) -> None:
        return

    StreamConsumer._finish = finish  # type: ignore[method-assign]
    running._Server._end_in_time = never  # type: ignore[assignment, method-assign]


SABOTAGE: dict[str, Callable[[], None]] = {
    "inbox": without_inbox,
    "ack-after-commit": without_ack_after_commit,
    "drain-before-read": without_drain_before_read,
    "fencing": without_fencing,
    "takeover": without_takeover,
    "read-fencing": without_read_fencing,
    "stop-limits": without_stop_limits,
}
MECHANISMS = (*SABOTAGE, "insert-trigger")


def main() -> None:
    """Take the mechanisms out, then run the service as ``python -m`` would."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("service", choices=["chat", "cockpit", "knowledge"])
    parser.add_argument("--without", action="append", default=[], choices=SABOTAGE, metavar="MECHANISM")
    arguments = parser.parse_args()
    for name in arguments.without:
        SABOTAGE[name]()
    runpy.run_module(arguments.service, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
