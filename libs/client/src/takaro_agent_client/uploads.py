"""Files as the body of a request: read again for each attempt, and never as a whole."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import IO

CHUNK_BYTES = 65_536


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
