"""A service small enough to watch the backbone through: each command leaves one row and one fact."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from backbone import outbox
from backbone.handlers import Command, Router
from backbone.outbox import Fact
from common.errors import NotFound
from common.postgres import Connection
from contracts import CommandRejected, Contract
from servicekit.settings import ServiceSettings

COMMANDS, FACTS = "probe.commands", "probe.events"

SCHEMA = """
CREATE TABLE probe_subjects (name text PRIMARY KEY, sequence bigint NOT NULL DEFAULT 0);
CREATE TABLE probe_effects (id bigint GENERATED ALWAYS AS IDENTITY, subject text, value int);
"""


class ProbeSettings(ServiceSettings):
    service: ClassVar[str] = "probe"


class Note(Contract):
    """Leave a row."""

    type: ClassVar[str] = "probe.note.v1"
    subject: str
    value: int


class Noted(Contract):
    """A row was left."""

    type: ClassVar[str] = "probe.noted.v1"
    subject: str
    value: int


class Rejected(CommandRejected):
    """A note was refused."""

    type: ClassVar[str] = "probe.command.rejected.v1"


class Probe:
    """The handler; ``failing`` maps a subject to the error that its notes raise."""

    def __init__(self) -> None:
        self.failing: dict[str, Exception] = {}
        self.attempts: list[tuple[str, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.router = Router("probe", rejected=Rejected)
        self.router.on(Note, self.handle, key=lambda command: command.data.subject)

    async def handle(self, connection: Connection, commands: Sequence[Command[Note]]) -> list[None]:
        facts = []
        for command in commands:
            await self.gate.wait()
            note = command.data
            self.attempts.append((note.subject, note.value))
            if note.subject in self.failing:
                raise self.failing[note.subject]
            sequence = await connection.fetchval(
                "INSERT INTO probe_subjects AS s (name, sequence) VALUES ($1, 1) "
                "ON CONFLICT (name) DO UPDATE SET sequence = s.sequence + 1 RETURNING sequence",
                note.subject,
            )
            await connection.execute(
                "INSERT INTO probe_effects (subject, value) VALUES ($1, $2)", note.subject, note.value
            )
            data = Noted(subject=note.subject, value=note.value)
            facts.append(Fact(FACTS, note.subject, sequence, data, trace=command.trace))
        await outbox.append(connection, facts)
        return [None] * len(commands)


class Refuse(Contract):
    """A command that is always refused."""

    type: ClassVar[str] = "probe.refuse.v1"
    subject: str


async def refuse(connection: Connection, command: Command[Refuse]) -> None:
    await connection.execute(
        "INSERT INTO probe_effects (subject, value) VALUES ($1, -1)", command.data.subject
    )
    raise NotFound("no such subject", code="subject_not_found")
