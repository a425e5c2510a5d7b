"""An answer that comes before the body was read reaches its sender, whatever the sender does."""

import pytest

from tests.support.raw_http import RawAnswer, connected, request
from tests.support.services import Service

JSON = "Content-Type: application/json"
BIG = 8 * 1024 * 1024
CONVERSATIONS = "/api/conversations"
# : Method and path, caller, and the status that is known before the body.
REFUSED = {
    "too large": ("POST " + CONVERSATIONS, "ann", 413),
    "nobody": ("POST " + CONVERSATIONS, None, 401),
    "no such path": ("POST /api/nothing", "ann", 404),
    "no such method": ("PATCH " + CONVERSATIONS, "ann", 405),
}


def declared(size: int) -> list[str]:
    return [JSON, f"Content-Length: {size}"]


@pytest.mark.parametrize("closing", [False, True], ids=["kept", "closing"])
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
@pytest.mark.parametrize("case", REFUSED)
async def test_a_sender_that_reads_only_after_sending_sees_the_answer(
    chat: Service, case: str, chunked: bool, closing: bool
) -> None:
    line, user, status = REFUSED[case]
    how = [JSON, "Transfer-Encoding: chunked"] if chunked else declared(BIG)
    headers = [*how, "Connection: close"] if closing else how
    async with connected(chat) as connection:
        await connection.send(request(line, *headers, user=user))
        for _ in range(BIG // 2**20):
            piece = b"x" * 2**20
            await connection.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            await connection.send(b"0\r\n\r\n")
        answer = await connection.answer()
        assert (answer.status, "error" in answer.json) == (status, True)
        if closing:
            assert await connection.rest() == b""
        else:
            await connection.send(request("GET /health"))
            assert (await connection.answer()).json == {"status": "ok"}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_body_that_will_be_refused_isnt_waited_for(chat: Service, case: str) -> None:
    """Who is asking, and how much is announced, is known from the headers."""
    line, user, status = REFUSED[case]
    async with connected(chat) as connection:
        await connection.send(request(line, *declared(BIG), user=user))
        assert (await connection.answer()).status == status


async def test_who_asks_before_sending_is_refused_without_a_100(chat: Service) -> None:
    async with connected(chat) as connection:
        head = request("POST " + CONVERSATIONS, *declared(100), "Expect: 100-continue", user=None)
        await connection.send(head)
        assert (await connection.answer()).status == 401
        assert await connection.rest() == b""


async def test_who_asks_before_sending_is_asked_to_send(chat: Service) -> None:
    body = b'{"agentId": "module-writer"}'
    async with connected(chat) as connection:
        await connection.send(request("POST " + CONVERSATIONS, *declared(len(body)), "Expect: 100-continue"))
        assert (await connection.answer()).status == 100
        await connection.send(body)
        assert (await connection.answer()).status == 200


async def test_a_body_without_end_is_read_up_to_64_megabytes(chat: Service) -> None:
    sent = 0
    async with connected(chat) as connection:
        await connection.send(request("POST " + CONVERSATIONS, *declared(2**40)))
        assert (await connection.answer()).status == 413
        try:
            while sent < 2**30:
                await connection.send(b"x" * 2**20)
                sent += 2**20
        except ConnectionError:
            pass
    assert 0 < sent < 2**30


async def test_a_part_of_a_body_is_not_taken_for_a_whole_one(chat: Service) -> None:
    async with connected(chat) as connection:
        body = b'{"agentId": "module-writer"}'
        await connection.send(request("POST " + CONVERSATIONS, *declared(1000), user="torn", body=body))
    async with chat.client("torn") as client:
        assert (await client.get(CONVERSATIONS)).json() == {"data": []}


async def test_a_client_that_closes_its_side_gets_its_answer(chat: Service) -> None:
    answers: list[RawAnswer] = []
    for line in ("GET " + CONVERSATIONS, "GET /health", "GET /ready"):
        async with connected(chat) as connection:
            await connection.send(request(line))
            connection.end_sending()
            answers.append(await connection.answer())
            assert await connection.rest() == b""
    assert [answer.status for answer in answers] == [200, 200, 200]


async def test_what_follows_a_chunked_body_is_dropped(chat: Service) -> None:
    """Trailers have no limit of their own; nobody here reads them."""
    body = b'{"agentId": "module-writer"}'
    trailers = b"".join(b"X-%d: %b\r\n" % (number, b"x" * 1000) for number in range(2000))
    async with connected(chat) as connection:
        head = request("POST " + CONVERSATIONS, JSON, "Transfer-Encoding: chunked", user="trailing")
        await connection.send(head + b"%x\r\n%b\r\n0\r\n" % (len(body), body) + trailers + b"\r\n")
        assert (await connection.answer()).status == 200
        await connection.send(request("GET " + CONVERSATIONS, user="trailing"))
        assert len((await connection.answer()).json["data"]) == 1
