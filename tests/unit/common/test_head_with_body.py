"""The head of an answer leaves with its body, and never waits for one."""

import asyncio
from typing import Any

from servicekit.head_with_body import HeadWithBody

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class _Transport(asyncio.Transport):
    """Keeps what was written, one entry for each write."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = self.ended = False

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.sent.append(b"".join(list_of_data))

    def close(self) -> None:
        self.closed = True

    def write_eof(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0


async def test_head_and_body_are_one_write() -> None:
    transport = _Transport()
    answer = HeadWithBody(transport, asyncio.get_running_loop())
    answer.write(HEAD)
    assert answer.get_write_buffer_size() == len(HEAD)
    answer.write(b"{}")
    answer.write(HEAD)
    answer.write(b"")
    await asyncio.sleep(0)
    assert transport.sent == [HEAD + b"{}", HEAD]


async def test_a_head_without_a_body_leaves_by_itself() -> None:
    transport = _Transport()
    answer = HeadWithBody(transport, asyncio.get_running_loop())
    answer.write(HEAD)
    await asyncio.sleep(0)
    assert transport.sent == [HEAD]
    answer.write(b"data: 1\n\n")
    assert transport.sent == [HEAD, b"data: 1\n\n"]


async def test_whatever_ends_the_connection_comes_after_the_head() -> None:
    for end in ("close", "write_eof"):
        transport = _Transport()
        answer = HeadWithBody(transport, asyncio.get_running_loop())
        answer.write(HEAD)
        getattr(answer, end)()
        assert transport.sent == [HEAD]
        assert transport.closed or transport.ended
