"""Bodies of requests that are read piece by piece, again for each attempt, and never as a whole."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Protocol, runtime_checkable

CHUNK_BYTES = 65_536


@runtime_checkable
class Body(Protocol):
    """A body. Each of these is asked for once for each attempt."""

    def chunks(self) -> Iterator[bytes]:
        """The pieces, from the start."""

    def chunks_async(self) -> AsyncIterator[bytes]:
        """The same under asyncio."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What ``file`` holds from ``start`` on. The file must be seekable."""

    file: IO[bytes]
    start: int

    @classmethod
    def of(cls, file: IO[bytes]) -> "Upload":
        """From where the file is now."""
        return cls(file, file.tell())

    def chunks(self) -> Iterator[bytes]:
        """The pieces, from the start."""
        self.file.seek(self.start)
        while chunk := self.file.read(CHUNK_BYTES):
            yield chunk

    async def chunks_async(self) -> AsyncIterator[bytes]:
        """The same under asyncio; files are read in a thread."""
        await asyncio.to_thread(self.file.seek, self.start)
        while chunk := await asyncio.to_thread(self.file.read, CHUNK_BYTES):
            yield chunk


@dataclass(frozen=True, slots=True)
class JsonLines:
    """These objects, one a line."""

    objects: Sequence[Mapping[str, Any]]

    def chunks(self) -> Iterator[bytes]:
        """The lines."""
        for each in self.objects:
            yield json_line(each)

    async def chunks_async(self) -> AsyncIterator[bytes]:
        """The same under asyncio."""
        for line in self.chunks():
            yield line


def json_line(value: Mapping[str, Any]) -> bytes:
    """An object as a line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
