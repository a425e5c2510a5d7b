"""One batch of commands in one transaction: fence, claim in the inbox, handle, record rejections."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

import structlog

from backbone import inbox, outbox
from backbone.erased_commands import find_erased
from backbone.events import Event
from backbone.handlers import Command, Rejection, Router
from backbone.leases import Fence
from backbone.outbox import Fact
from backbone.validation import Item
from common.postgres import Connection, Pool, transaction, tried_again
from contracts import CommandRejected

log = structlog.get_logger()

_REUSED = Rejection("id_reused", "another event with this id and other content was handled before")


class BatchTransaction:
    """Applies entries of one stream to the database, exactly once each."""

    def __init__(self, pool: Pool, router: Router, facts_stream: str) -> None:
        self._pool, self._router, self._facts_stream = pool, router, facts_stream

    @tried_again
    async def apply(self, items: Sequence[Item], lease: Fence | None) -> dict[int, Rejection]:
        """Handle ``items`` in one transaction. Returns the rejections by position.

        Events of one key are handled in order, and events of one type together. An error other than a
        rejection rolls everything back and is raised. Commands of erased users are passed over.
        """
        async with transaction(self._pool) as connection:
            if lease is not None:
                await lease.hold(connection)
            erased = await self._find_erased(connection, items)
            if not erased:
                return await self._apply(connection, items)
            left = [i for i in range(len(items)) if i not in erased]
            if not left:
                return {}
            rejected = await self._apply(connection, [items[i] for i in left])
            return {left[i]: rejection for i, rejection in rejected.items()}

    async def _find_erased(self, connection: Connection, items: Sequence[Item]) -> set[int]:
        if self._router.rejected is None:
            return set()
        erased = await find_erased(connection, items)
        for i in erased:
            log.warning("command of an erased user dropped", entry_id=items[i].entry[0])
        return erased

    async def _apply(self, connection: Connection, items: Sequence[Item]) -> dict[int, Rejection]:
        if self._router.lock is not None:
            commands = [item.command for item in items if item.command is not None]
            await self._router.lock(connection, commands)
        rejected = {i: item.rejection for i, item in enumerate(items) if item.rejection is not None}
        others: set[int] = set()
        fresh = await self._fresh(connection, items, rejected, others)
        await self._mark_refused(connection, items, rejected, others)
        for round_ in _rounds(items, fresh):
            for positions in round_.values():
                await self._handle(connection, items, positions, rejected)
        await self._record_rejections(connection, items, rejected, others)
        return rejected

    async def _fresh(
        self, connection: Connection, items: Sequence[Item], rejected: dict[int, Rejection], others: set[int]
    ) -> list[int]:
        """Positions of the items to handle now. Marks the others as known.

        ``others`` collects the items whose key stands for another event.
        """
        commands = [
            (i, item.command, item.route) for i, item in enumerate(items) if item.command and item.route
        ]
        await self._forget_replayed(connection, [command for _, command, _ in commands])
        claimable = [(i, command) for i, command, route in commands if not route.natural_key]
        natural = [(i, command) for i, command, route in commands if route.natural_key]
        fresh: set[int] = set()
        if claimable:
            new = await inbox.claim(
                connection, self._router.service, [(c.key, c.event) for _, c in claimable]
            )
            first: dict[UUID, bytes] = {}
            repeated = []
            for i, command in claimable:
                if command.key in new and command.key not in first:
                    first[command.key] = command.event.digest()
                    fresh.add(i)
                else:
                    repeated.append((i, command))
            await self._mark_known(connection, repeated, rejected, others)
        if natural:
            # It was rejected before, or handled before the row with its natural key was deleted.
            known = await inbox.list_known(connection, self._router.service, [c.key for _, c in natural])
            again = [(i, c) for i, c in natural if c.key in known]
            fresh.update(i for i, c in natural if c.key not in known)
            await self._mark_known(connection, again, rejected, others)
        return sorted(fresh)

    async def _forget_replayed(self, connection: Connection, commands: Sequence[Command[Any]]) -> None:
        """Let replayed dead letters be handled again: once for each replay, however often the entry is
        delivered."""
        replays = {uuid5(c.key, c.event.replay): c for c in commands if c.event.replay}
        if not replays:
            return
        records = [(key, command.event) for key, command in replays.items()]
        new = await inbox.record_replays(connection, self._router.service, records)
        await inbox.forget_rejected(connection, self._router.service, [replays[key].key for key in new])

    async def _mark_known(
        self,
        connection: Connection,
        repeated: Sequence[tuple[int, Command[Any]]],
        rejected: dict[int, Rejection],
        others: set[int],
    ) -> None:
        """A repeated event has no effect, unless it was rejected before or has different content."""
        if not repeated:
            return
        known = await inbox.list_known(connection, self._router.service, [c.key for _, c in repeated])
        for i, command in repeated:
            record = known[command.key]
            if not record.is_of(command.event):
                rejected[i] = _REUSED
                others.add(i)
            elif record.rejection is not None:
                rejected[i] = record.rejection

    async def _mark_refused(
        self,
        connection: Connection,
        items: Sequence[Item],
        rejected: dict[int, Rejection],
        others: set[int],
    ) -> None:
        """An unreadable entry may have the id of an event that was readable. That event's record stays."""
        refused = [(i, item.event) for i, item in enumerate(items) if item.rejection and item.event]
        if not refused:
            return
        known = await inbox.list_known(connection, self._router.service, [e.key() for _, e in refused])
        for i, event in refused:
            record = known.get(event.key())
            if record is not None and not record.is_of(event):
                others.add(i)
            elif record is not None and record.rejection is None:
                del rejected[i]  # handled by a release that could read it

    async def _handle(
        self,
        connection: Connection,
        items: Sequence[Item],
        positions: Sequence[int],
        rejected: dict[int, Rejection],
    ) -> None:
        route = items[positions[0]].route
        assert route is not None
        outcomes = await route.handler(
            connection, [command for i in positions if (command := items[i].command) is not None]
        )
        pairs = zip(positions, outcomes, strict=True)
        rejected.update({i: outcome for i, outcome in pairs if outcome is not None})

    async def _record_rejections(
        self, connection: Connection, items: Sequence[Item], rejected: dict[int, Rejection], others: set[int]
    ) -> None:
        """Remember rejections, and notify the senders of commands once each.

        On a stream of facts they are remembered too. If this process dies before it writes the dead letter,
        the letter is still due, and its replay must not count as handled.
        """
        pending: dict[UUID, tuple[Event, Rejection]] = {}
        for i, rejection in rejected.items():
            event = items[i].event
            if event is None:
                continue
            key = event.key()
            if i in others:
                # The key itself stands for the other event. The digest of the content distinguishes this one.
                key = uuid5(key, event.digest().hex())
            pending.setdefault(key, (event, rejection))
        if not pending:
            return
        records = [(key, event) for key, (event, _) in pending.items()]
        reasons = [rejection for _, rejection in pending.values()]
        news = await inbox.record_rejected(connection, self._router.service, records, reasons)
        if self._router.rejected is None:
            return
        facts = [
            _rejected_fact(self._router.rejected, self._facts_stream, key, event, rejection)
            for key, (event, rejection) in pending.items()
            if key in news
        ]
        await outbox.append(connection, facts)


def _rejected_fact(
    contract: type[CommandRejected], stream: str, key: UUID, event: Event, rejection: Rejection
) -> Fact:
    """The subject is the rejected command. This is its only fact, so its sequence is 1."""
    details = {"details": dict(rejection.details)} if rejection.details else {}
    data = contract(
        command_id=event.id,
        command_type=event.type,
        code=rejection.code,
        reason=rejection.reason,
        **details,
    )
    return Fact(stream, f"command/{key}", 1, data, trace=event.trace)


def _rounds(items: Sequence[Item], positions: Sequence[int]) -> list[dict[str, list[int]]]:
    """Split into rounds in which all events of a key have one type, so that order holds within a key.

    Returns ``[{type: positions}, …]``. Within a round, types concern different keys and can run in any order.
    """
    rounds: list[dict[str, list[int]]] = []
    at: dict[str, int] = defaultdict(int)
    last: dict[str, str] = {}
    for i in positions:
        item = items[i]
        assert item.event is not None
        key, kind = item.order_key, item.event.type
        if key in last and last[key] != kind:
            at[key] += 1
        last[key] = kind
        if at[key] == len(rounds):
            rounds.append(defaultdict(list))
        rounds[at[key]][kind].append(i)
    return rounds
