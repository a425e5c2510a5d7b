"""``python -m benchmarks.turn_followers <host> <port> <user>``: opens event streams, and times pieces.

It reads paths, a line each, until an empty line, opens a stream of each, and prints how many there are.
Pieces that say when they were sent (``time.perf_counter``, which all processes of a machine share) are timed
when they are read. For each line more it prints the milliseconds of those since the last one, as JSON.
"""

import asyncio
import json
import sys
import time

MARK = b"sent "


class Follower(asyncio.Protocol):
    """One stream: as little work as possible for each event, since all share one core with the service."""

    def __init__(self, head: bytes, opened: "asyncio.Queue[bool]", latencies: list[float]) -> None:
        self._head, self._opened, self._latencies = head, opened, latencies
        self._is_open = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if not self._is_open:
            if not (self._rest + data).startswith(b"HTTP/1.1 200"):
                raise ValueError(f"no stream: {data[:200]!r}")
            self._is_open = True
            self._opened.put_nowait(True)
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            place = line.find(MARK)
            if place >= 0:
                sent = line[place + len(MARK) :].split(b"|", 1)[0]
                self._latencies.append((now - float(sent)) * 1e3)

    def connection_lost(self, exc: Exception | None) -> None:
        self._opened.put_nowait(False)


async def main(host: str, port: int, user: str) -> None:
    """Until standard input ends."""
    opened: asyncio.Queue[bool] = asyncio.Queue()
    latencies: list[float] = []
    loop = asyncio.get_running_loop()

    async def next_line() -> str:
        return (await asyncio.to_thread(sys.stdin.readline)).strip()

    count = 0
    while path := await next_line():
        head = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nX-User-Id: {user}\r\nAccept: text/event-stream\r\n\r\n"
        )
        await loop.create_connection(lambda h=head: Follower(h.encode(), opened, latencies), host, port)  # type: ignore[misc]
        count += 1
    for _ in range(count):
        if not await opened.get():
            raise ConnectionError("a stream ended")
    print(count, flush=True)
    while await next_line():
        print(json.dumps(latencies), flush=True)
        latencies.clear()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
