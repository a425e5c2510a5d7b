"""Everything that is known of one event, or of the events about one subject."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic.alias_generators import to_camel

from backbone import inbox, outbox
from backbone.redis_streams.inspection import Delivery, list_deliveries
from takaro_operator import letters, search
from takaro_operator.search import Clues, Found, Progress
from takaro_schema.effects import Effect, list_effects

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from redis.asyncio import Redis

    from common.postgres import Connection


MAX_DELIVERED = 100
"""For how many entries the groups are asked how far they are: each takes a few calls."""


@dataclass(slots=True, frozen=True)
class Journey:
    """What was found about the event ``id``."""

    id: str
    found: Found
    deliveries: list[Delivery]
    waiting: list[outbox.WaitingFact]
    outcomes: list[inbox.Outcome]
    effects: dict[Effect, list[dict[str, Any]]]
    """The rows that the event created in the database, as the database returns them."""

    @property
    def known(self) -> bool:
        """Whether anything was found."""
        found = self.found
        return any(
            (
                found.entries,
                found.letters,
                found.facts,
                found.commands,
                self.waiting,
                self.outcomes,
                *self.effects.values(),
            )
        )

    def to_json(self) -> dict[str, Any]:
        """Keys are camelCase and always present; see docs/operations/follow-one-event.md."""
        found = self.found
        return {
            "id": self.id,
            "keys": sorted(map(str, found.clues.keys)),
            "traceIds": sorted(found.clues.traces),
            "outbox": [_camel(_values(fact)) for fact in self.waiting],
            "entries": [entry.to_json() for entry in search.in_order(found.entries)],
            "deliveries": [_camel(_values(delivery)) for delivery in self.deliveries],
            "deadLetters": [letters.to_full_json(letter) for letter in search.oldest_first(found.letters)],
            "inbox": [_camel(_values(outcome)) for outcome in self.outcomes],
            "effects": {effect.table: [_camel(row) for row in rows] for effect, rows in self.effects.items()},
            "commands": [entry.to_json() for entry in search.in_order(found.commands)],
            "facts": [entry.to_json() for entry in search.in_order(found.facts)],
            "searched": {
                stream: {"entries": count, "all": whole} for stream, (count, whole) in found.searched.items()
            },
        }


async def follow(
    connection: "Connection", redis: "Redis", given: str, depth: int, progress: Progress
) -> Journey:
    """Collect what is known of an event. ``given`` is its id, the id of a stream entry that holds it, or the
    id of a conversation, session or base: then of its events."""
    event_id = await search.resolve(redis, given)
    clues = Clues(ids={event_id}, keys=_uuids([event_id]))
    spellings = {event_id, *map(str, clues.keys)}
    clues.ids |= spellings
    outcomes = await inbox.list_of_events(connection, spellings)
    clues.keys |= {outcome.key for outcome in outcomes if outcome.outcome == "handled"}
    clues.traces |= {outcome.trace_id for outcome in outcomes if outcome.trace_id}
    found = await search.search(redis, clues, depth, progress)
    waiting = await outbox.list_of_events(connection, _uuids(clues.ids), clues.traces, clues.ids)
    deliveries = [
        delivery
        for entry in search.in_order(found.entries | found.commands)[:MAX_DELIVERED]
        for delivery in await list_deliveries(redis, entry.stream, entry.entry_id)
    ]
    effects = await list_effects(connection, clues.keys)
    return Journey(event_id, found, deliveries, waiting, outcomes, effects)


def _uuids(ids: Iterable[str]) -> set[UUID]:
    found = set()
    for value in ids:
        try:
            found.add(UUID(value))
        except ValueError:
            continue
    return found


def _values(row: "DataclassInstance") -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(row)}


def _camel(row: dict[str, Any]) -> dict[str, Any]:
    return {to_camel(name): value for name, value in row.items()}
