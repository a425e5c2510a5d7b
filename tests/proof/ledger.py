"""What was requested and what was answered: the harness's own memory, which no service sees."""

import time
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

Way = Literal["stream", "http", "node"]
Outcome = Literal["open", "accepted", "unknown", "refused"]


@dataclass(slots=True)
class Command:
    """One thing to do in a conversation: a message to append, a line to say. Its ``marker`` is unique.

    ``asked`` and ``answered`` are seconds of the monotonic clock. ``unknown``: the answer never came, so the
    effect may exist once, or not. ``event_id`` is that of a command on the stream.
    """

    marker: str
    conversation: UUID
    way: Way
    event_id: UUID | None = None
    outcome: Outcome = "open"
    asked: float = 0.0
    answered: float = float("inf")
    copies: int = 0
    detail: str = ""

    def ask(self) -> None:
        self.asked = self.asked or time.monotonic()

    def close(self, outcome: Outcome, detail: str = "") -> None:
        self.outcome, self.detail = outcome, detail
        if outcome == "accepted":
            self.answered = time.monotonic()


@dataclass(slots=True)
class Ledger:
    """Every command of a run, by marker."""

    commands: dict[str, Command] = field(default_factory=dict)

    def add(self, command: Command) -> Command:
        self.commands[command.marker] = command
        return command

    def count(self, outcome: Outcome, way: Way | None = None) -> int:
        return sum(c.outcome == outcome and way in (None, c.way) for c in self.commands.values())

    @property
    def copies(self) -> int:
        """Stream commands that were published once more, with the same event id."""
        return sum(command.copies for command in self.commands.values())
