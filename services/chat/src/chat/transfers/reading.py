"""What the lines of an import hold, one batch after the other. No I/O."""

from dataclasses import dataclass, field
from datetime import datetime

from chat.conversations.rules import check_size
from chat.messages.rules import message_bytes
from chat.transfers.line_reading import parsed, wrong_line
from chat.transfers.lines import AnyLine, EndLine, MessageLine, StateVersionLine
from chat.transfers.records import ImportLimits
from common import codec
from common.errors import TooLarge

MOST_VERSIONS = 1_000
"""Versions of a state: as many as can be kept with any setting."""


@dataclass(slots=True)
class Batch:
    """Messages and versions of the state, each with the text of its line; ``begun`` is the first
    line's number, ``places`` those of the messages."""

    begun: int
    messages: list[tuple[MessageLine, str]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    versions: list[tuple[StateVersionLine, str]] = field(default_factory=list)


@dataclass(slots=True)
class Reading:
    """How far an import is, whose conversation is at ``state_version``."""

    limits: ImportLimits
    state_version: int
    line: int = 1
    messages: int = 0
    last_sequence: int = 0
    last_time: datetime | None = None
    versions: int = 0
    last_version: int = -1
    ended: bool = False

    def take(self, lines: list[bytes]) -> Batch:
        """What these lines hold; the last one may be the end. Raises :class:`common.errors.Invalid` that
        names the line which isn't as it must be, and :class:`TooLarge`."""
        batch = Batch(self.line + 1)
        for line in lines:
            self.line += 1
            if self.ended:
                raise self._wrong("comes after the end")
            read = parsed(AnyLine, line, self.line).root
            if isinstance(read, EndLine):
                if read.messages != self.messages:
                    raise self._wrong(f"counts {read.messages} messages, and not those before it")
                self.ended = True
            elif isinstance(read, MessageLine):
                self._check_message(read)
                batch.messages.append((read, line.decode()))
                batch.places.append(self.line)
            else:
                self._check_version(read, line)
                batch.versions.append((read, line.decode()))
        return batch

    def _check_message(self, message: MessageLine) -> None:
        if message.sequence <= self.last_sequence:
            raise self._wrong("must have a greater sequence than the message before")
        size = message_bytes(message.content, message.tool_calls, message.tool_results)
        if size > self.limits.message_bytes:
            raise TooLarge(f"line {self.line}: the message has {size} bytes", code="message_too_large")
        self.messages += 1
        self.last_sequence = message.sequence
        if message.created_at and (self.last_time is None or message.created_at > self.last_time):
            self.last_time = message.created_at

    def _check_version(self, version: StateVersionLine, line: bytes) -> None:
        if self.messages:
            raise self._wrong("comes after a message: versions of the state come first")
        if not self.last_version < version.version <= self.state_version:
            raise self._wrong("must have a greater version than the one before, up to stateVersion")
        self.versions += 1
        if self.versions > MOST_VERSIONS:
            raise self._wrong(f"there are more than {MOST_VERSIONS:,} versions of the state")
        check_size("state", version.state, self.limits.states.state_bytes)
        # They limit the history: with fewer than it has, a version would be kept for too long.
        if not len(codec.dumps(version.state)) <= version.bytes <= 2 * len(line):
            raise self._wrong("bytes: aren't those of the state")
        self.last_version = version.version

    def _wrong(self, problem: str) -> Exception:
        return wrong_line(self.line, problem)
