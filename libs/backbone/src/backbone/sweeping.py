"""Erases a user's entries from a service's streams and dead letters, step by step.

First the facts go that still wait in the outbox. Once those that tell of the erasure are published, all
entries are read twice: to learn from facts that name the user which subjects were theirs, and to erase. The
place is kept with the erasure. Entries are noted in one transaction and erased by the next, so that a kill
between the two neither leaves any nor forgets to count them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args
from uuid import UUID

from backbone import erased_ids, inbox, outbox, sequences
from backbone.dead_letters import dead_stream
from backbone.entry_names import COMMANDS, Names, names_in
from backbone.entry_store import EntryStore, stream_of
from backbone.erased_ids import digest_of_subject
from backbone.erasures import Erasure
from backbone.events import RawEntry
from common.postgres import Connection

Stage: TypeAlias = Literal["outbox", "told", "learn", "told_again", "erase", "beyond", "done"]
STAGES: tuple[Stage, ...] = get_args(Stage)

OUTBOX_AT_ONCE = 2_000
PAGES_AT_ONCE = 20
"""Pages without an entry of the user that one transaction passes over."""

Live: TypeAlias = Callable[[Connection, Sequence[str]], Awaitable[set[str]]]
"""Which of these subjects exist: somebody else's, since the user's rows are gone."""

Beyond: TypeAlias = Callable[[Connection, Erasure], Awaitable[Mapping[str, int] | None]]
"""Erases what a service keeps outside Postgres and the streams; counts by place. ``None``: it must wait."""


def uuids_of(subjects: Sequence[str]) -> list[UUID]:
    """Those of the subjects that are UUIDs."""
    found = []
    for subject in subjects:
        with suppress(ValueError):
            found.append(UUID(subject))
    return found


@dataclass(slots=True, frozen=True)
class Place:
    """How far a sweep has come: after an entry of ``shelf``, of those up to ``through``.

    ``marked`` are entries of the shelf ``marked_on`` that the next step erases.
    """

    stage: Stage = "outbox"
    shelf: str | None = None
    after: str | None = None
    through: str | None = None
    marked: Sequence[str] = ()
    marked_on: str | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> "Place":
        """What :meth:`stored` made."""
        return cls(**stored) if stored else cls()

    def stored(self) -> Mapping[str, Any]:
        """As JSON, to be kept with the erasure."""
        return asdict(self)

    def next_stage(self) -> "Place":
        return Place(STAGES[STAGES.index(self.stage) + 1])


@dataclass(slots=True, frozen=True)
class Swept:
    """What a step did. ``waits``: nothing, until something else has happened."""

    place: Place
    counts: Mapping[str, int] = field(default_factory=dict)
    streams: Mapping[str, int] = field(default_factory=dict)
    subjects: Sequence[str] = ()
    waits: bool = False


@dataclass(slots=True, frozen=True)
class Sweep:
    """The streams of a service, and how it erases entries from them."""

    service: str
    entries: EntryStore
    commands: Sequence[str]
    facts: str
    live: Live
    beyond: Beyond | None = None

    @property
    def streams(self) -> tuple[str, ...]:
        """Dead letters come last: an entry may become one while the others are swept. Facts come first:
        commands are about the subjects that facts make known."""
        read = (self.facts, *self.commands)
        return (*read, *map(dead_stream, read))

    async def step(self, connection: Connection, erasure: Erasure) -> Swept:
        """Do a bounded amount of the work, in the caller's transaction. At the stage ``done`` all is done."""
        place = Place.of(erasure.sweep)
        if place.marked and place.marked_on is not None:
            await self.entries.erase(place.marked_on, place.marked)
            streams = {stream_of(place.marked_on): len(place.marked)}
            return Swept(replace(place, marked=(), marked_on=None), streams=streams)
        if place.stage == "outbox":
            return await self._outbox(connection, erasure, place)
        if place.stage in ("told", "told_again"):
            waits = await outbox.is_waiting(connection, self.facts, str(erasure.id))
            return Swept(place if waits else place.next_stage(), waits=waits)
        if place.stage == "beyond":
            return await self._beyond(connection, erasure, place)
        return await self._read(connection, erasure, place)

    async def _outbox(self, connection: Connection, erasure: Erasure, place: Place) -> Swept:
        """Delete what isn't published yet. The relay may be publishing it at this moment: it has done so when
        the fact about this step, which comes later, is published."""
        after = int(place.after or -1)
        found = await outbox.list_of_user(
            connection, self.facts, erasure.user_id, after=after, limit=OUTBOX_AT_ONCE
        )
        if not found:
            return Swept(place.next_stage())
        mine = [each for each in found if each.is_theirs]
        deleted = await outbox.delete(connection, self.facts, [each.position for each in mine])
        subjects = {each.subject for each in mine}
        known = await erased_ids.insert_subjects(connection, erasure.id, subjects)
        onward = replace(place, after=str(found[-1].position))
        return Swept(onward, counts={"outbox": deleted} if deleted else {}, subjects=known)

    async def _beyond(self, connection: Connection, erasure: Erasure, place: Place) -> Swept:
        gone = await self.beyond(connection, erasure) if self.beyond else {}
        if gone is None:
            return Swept(place, waits=True)
        return Swept(place if gone else place.next_stage(), streams=gone)

    async def _read(self, connection: Connection, erasure: Erasure, place: Place) -> Swept:
        """Go through pages until there is something to record."""
        work = self._learn if place.stage == "learn" else self._mark
        if place.shelf is None:
            place = await self._next_shelf(place)
        for _ in range(PAGES_AT_ONCE):
            if place.shelf is None or place.through is None:
                break
            page = await self.entries.read(place.shelf, place.after, place.through)
            onward = replace(place, after=page.after) if page.after else await self._next_shelf(place)
            done = await work(connection, erasure, place.shelf, page.entries, onward)
            if done is not None:
                return done
            place = onward
        return Swept(place)

    async def _next_shelf(self, place: Place) -> Place:
        """The beginning of the next shelf, or of the next stage. If the stream was deleted meanwhile, that of
        the first one again: what is erased is passed over."""
        shelves = await self.entries.list_shelves(self.streams)
        if place.shelf in shelves:
            shelves = shelves[shelves.index(place.shelf) + 1 :]
        if not shelves:
            return place.next_stage()
        return Place(place.stage, shelves[0], None, await self.entries.get_end(shelves[0]))

    async def _learn(
        self, connection: Connection, erasure: Erasure, shelf: str, entries: Sequence[RawEntry], onward: Place
    ) -> Swept | None:
        """Record which subjects were the user's. Commands of theirs that were refused are forgotten."""
        stream = stream_of(shelf)
        theirs = await self._theirs(connection, erasure, [names_in(stream, entry) for entry in entries])
        forgotten = 0
        if stream == self.facts:
            subjects = {
                subject
                for names in theirs
                if (subject := names.subject)
                and (erasure.user_id in names.users or subject.startswith(COMMANDS))
            }
        else:
            subjects = await self._created(connection, theirs)
            keys = [key for names in theirs for key in names.keys]
            rejected, forgotten = await inbox.forget_reasons(connection, self.service, keys)
            subjects |= {f"{COMMANDS}{key}" for key in rejected}
        if subjects:
            subjects -= await self.live(connection, sorted(subjects))
        known = await erased_ids.insert_subjects(connection, erasure.id, subjects)
        if not known and not forgotten:
            return None
        return Swept(onward, counts={"inbox": forgotten} if forgotten else {}, subjects=known)

    async def _created(self, connection: Connection, theirs: Sequence[Names]) -> set[str]:
        """What commands would create. An id that was used before may be somebody else's: facts tell."""
        created = {names.created for names in theirs if names.created}
        return created - (await sequences.list_last(connection, created)).keys() if created else created

    async def _mark(
        self, connection: Connection, erasure: Erasure, shelf: str, entries: Sequence[RawEntry], onward: Place
    ) -> Swept | None:
        """Note the entries that are to be erased."""
        pairs = [(names_in(stream_of(shelf), entry), entry) for entry in entries]
        theirs = {id(names) for names in await self._theirs(connection, erasure, [n for n, _ in pairs])}
        marks = [self.entries.mark_of(entry) for names, entry in pairs if id(names) in theirs]
        marked = list(dict.fromkeys(mark for mark in marks if mark is not None))
        return Swept(replace(onward, marked=marked, marked_on=shelf)) if marked else None

    async def _theirs(self, connection: Connection, erasure: Erasure, named: Sequence[Names]) -> list[Names]:
        """Those that name the user, or a subject that was erased with the user."""
        digests = {subject: digest_of_subject(subject) for names in named for subject in names.subjects}
        erased = await erased_ids.list_erased_of(connection, digests.values(), erasure.user_id)
        return [
            names
            for names in named
            if erasure.user_id in names.users or any(digests[s] in erased for s in names.subjects)
        ]
