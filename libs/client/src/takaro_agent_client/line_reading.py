"""JSON Lines, as their bytes come. A line ends at a line feed alone: U+2028 may stand in a line."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from takaro_agent_client.calls import Lines
from takaro_agent_client.errors import ConnectionFailed


@dataclass(slots=True)
class LineReading:
    """Cuts the pieces of an answer into whole lines, without their ends."""

    source: Lines
    _rest: list[bytes] = field(default_factory=list)
    _complete: bool = False

    def take(self, piece: bytes) -> Iterator[bytes]:
        """The lines that are whole with this piece."""
        *ends, rest = piece.split(b"\n")
        for end in ends:
            line = b"".join([*self._rest, end])
            self._rest.clear()
            self._complete = line.startswith(self.source.last)
            yield line
        if rest:
            self._rest.append(rest)

    def end(self) -> None:
        """Raises :class:`ConnectionFailed` if the answer was cut off."""
        if self._rest or not self._complete:
            raise ConnectionFailed(f"GET {self.source.path} was cut off before its last line")
