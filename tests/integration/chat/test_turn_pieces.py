"""What a runtime shows in its turn is stored piece by piece, each once and in its order."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis.asyncio import Redis

from backbone.dead_letters import SECRET_MEMBERS, without_secrets
from chat.pieces import use_cases
from chat.pieces.records import Limits, NewPieces
from chat.turns.rules import digest_of
from common import codec
from common.postgres import Pool
from contracts import Contract, chat, cockpit, knowledge
from tests.integration.chat.conftest import entries
from tests.integration.chat.test_turn_commands import rejections
from tests.integration.chat.turn_calls import contents, runtime, start_conversation, take, with_token
from tests.support.services import Service
from tests.support.wait import eventually

LIMITS = Limits(10_000, 100_000)


@pytest.fixture
async def worker(chat: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A runtime of the tests' agent."""
    async with runtime(chat) as client:
        yield client


@pytest.fixture
async def conversation(alice: httpx.AsyncClient) -> str:
    """The path of a new conversation of alice's."""
    return await start_conversation(alice)


def piece(number: int, content: str = "a", **more: Any) -> dict[str, Any]:
    return {"number": number, "type": "text", "content": content, **more}


def lines(*pieces: Any) -> bytes:
    return b"".join(each if isinstance(each, bytes) else codec.dumps(each) + b"\n" for each in pieces)


async def show(
    worker: httpx.AsyncClient, conversation: str, taken: dict[str, Any], body: Any, **more: Any
) -> httpx.Response:
    path = f"{conversation}/turns/{taken['turnId']}/chunks"
    return await worker.post(path, content=body, headers=with_token(taken), **more)


async def shown(pool: Pool, taken: dict[str, Any]) -> list[dict[str, Any]]:
    rows = await pool.fetch(
        "SELECT first, last, pieces FROM chat_turn_pieces WHERE turn_id = $1 ORDER BY first", taken["turnId"]
    )
    told = [each for row in rows for each in codec.loads(row["pieces"])]
    assert [each["number"] for each in told] == list(range(1, len(told) + 1))
    assert [n for row in rows for n in range(row["first"], row["last"] + 1)] == [e["number"] for e in told]
    return told


async def test_pieces_of_one_long_request_are_stored_as_they_come(
    worker: httpx.AsyncClient, conversation: str, service_pool: Pool
) -> None:
    taken = await take(worker, conversation)
    all_pieces = [
        piece(1, "hé", messageId=str(uuid4())),
        {"number": 2, "type": "tool_use", "id": "1", "name": "list", "input": {"a": [1]}},
        {
            "number": 3,
            "type": "tool_result",
            "id": "1",
            "name": "list",
            "result": {"success": True, "output": []},
        },
        piece(4),
    ]
    came = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        sent = lines(*all_pieces)
        middle = sent.index("é".encode()) + 1
        yield sent[:middle]
        yield sent[middle:-10]
        await came.wait()
        yield sent[-10:-1]  # the end of the last line is the end of the body

    sending = asyncio.ensure_future(show(worker, conversation, taken, body()))

    async def three() -> bool:
        return await shown(service_pool, taken) == all_pieces[:3]

    await eventually(three)
    came.set()
    answer = (await sending).raise_for_status()
    assert answer.json()["data"] == {"turnId": taken["turnId"], "lastNumber": 4}
    again = await show(worker, conversation, taken, lines(*all_pieces, piece(5)))
    assert again.json()["data"]["lastNumber"] == 5
    assert await shown(service_pool, taken) == [*all_pieces, piece(5)]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (lines(piece(1), piece(3)), 409, "pieces_out_of_order"),
        (lines(piece(2), piece(3), piece(5)), 409, "pieces_out_of_order"),
        (lines(piece(1), b"{\n"), 400, "piece_invalid"),
        (lines(piece(1), b"[" * 5_000 + b"\n"), 400, "piece_invalid"),
        (lines(piece(1), {"number": 2, "type": "song"}), 400, "piece_invalid"),
        (lines(piece(1), piece(2, "")), 400, "piece_invalid"),
        (lines(piece(1), piece(0)), 400, "piece_invalid"),
        (lines(piece(1), piece(2, "\x00")), 400, "piece_invalid"),
        (lines(piece(1), piece(2, messageId="x")), 400, "piece_invalid"),
        (lines(piece(1), b'{"number":2,"type":"text","content":"\xff"}\n'), 400, "piece_invalid"),
        (lines(piece(1)) + b"x" * 300_000, 413, "piece_too_large"),
    ],
)
async def test_what_came_before_a_bad_piece_stays(
    worker: httpx.AsyncClient, conversation: str, service_pool: Pool, body: bytes, status: int, code: str
) -> None:
    taken = await take(worker, conversation)
    (await show(worker, conversation, taken, lines(piece(1)))).raise_for_status()
    refused = await show(worker, conversation, taken, body)
    assert (refused.status_code, refused.headers["X-Error-Code"]) == (status, code), refused.text
    if code == "pieces_out_of_order":
        assert refused.json()["data"] == {"lastNumber": 1}
    if code == "piece_invalid":
        assert "line 2" in refused.json()["details"]
    assert await shown(service_pool, taken) == [piece(1)]
    (await show(worker, conversation, taken, lines(piece(2)))).raise_for_status()


async def test_only_the_turns_own_runtime_shows_pieces(
    chat: Service, alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str, service_pool: Pool
) -> None:
    taken = await take(worker, conversation)
    other = await take(worker, await start_conversation(alice))
    body = lines(piece(1))

    async def refused(client: httpx.AsyncClient, where: str, turn: dict[str, Any]) -> tuple[int, str]:
        answer = await show(client, where, turn, body)
        return answer.status_code, answer.headers["X-Error-Code"]

    forged = taken | {"token": other["token"]}
    assert await refused(worker, conversation, forged) == (409, "turn_token_refused")
    assert await refused(worker, conversation, other) == (404, "turn_not_found")
    assert await refused(alice, conversation, taken) == (403, "agent_only")
    async with runtime(chat, "another-agent") as stranger:
        assert await refused(stranger, conversation, taken) == (403, "agent_not_named")
    (await alice.post(f"{conversation}/turns/{taken['turnId']}/cancel")).raise_for_status()
    assert await refused(worker, conversation, taken) == (409, "turn_over")
    assert await shown(service_pool, taken) == []


async def test_a_long_request_is_answered_when_its_turn_ends(
    chat: Service, alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str, service_pool: Pool
) -> None:
    taken = await take(worker, conversation)
    headers = {**worker.headers, **with_token(taken), "Transfer-Encoding": "chunked", "Host": "chat"}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    path = f"{conversation}/turns/{taken['turnId']}/chunks"
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(chat.url).port)

    def write(body: bytes) -> None:
        writer.write(b"%x\r\n%s\r\n" % (len(body), body))

    try:
        writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode())
        write(lines(piece(1)))

        async def begun() -> bool:
            return bool(await shown(service_pool, taken))

        await eventually(begun)
        (await alice.post(f"{conversation}/turns/{taken['turnId']}/cancel")).raise_for_status()
        write(lines(piece(2)))
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    finally:
        writer.close()
    assert "409 conflict" in answer
    assert "x-error-code: turn_over" in answer
    assert await shown(service_pool, taken) == [piece(1)]
    assert await contents(alice, conversation) == ["a"]


async def test_a_turn_shows_only_so_much(
    service_pool: Pool, worker: httpx.AsyncClient, conversation: str
) -> None:
    taken = await take(worker, conversation)
    asked = [chat.TextPiece(number=n, type="text", content="x" * 100) for n in range(1, 11)]
    encoded = [each.model_dump_json(by_alias=True, exclude_unset=True).encode() for each in asked]
    token = digest_of(taken["token"])
    new = NewPieces(UUID(conversation.split("/")[-1]), UUID(taken["turnId"]), token, asked, encoded)
    few = Limits(10_000, new.size - 1)
    async with service_pool.acquire() as connection:
        [outcome], _ = await use_cases.show_pieces(connection, [new], few)
        assert getattr(outcome, "code", None) == "pieces_too_many"
        [outcome], [row] = await use_cases.show_pieces(connection, [new], LIMITS)
        assert (outcome, row.first, row.last) == (10, 1, 10)


async def test_writers_of_one_turn_at_once_store_each_piece_once(
    worker: httpx.AsyncClient, conversation: str, service_pool: Pool
) -> None:
    taken = await take(worker, conversation)
    all_pieces = [piece(n, str(n)) for n in range(1, 101)]

    async def send() -> None:
        for start in range(0, 100, 10):
            body = lines(*all_pieces[: start + 10])
            (await show(worker, conversation, taken, body)).raise_for_status()

    await asyncio.gather(*(send() for _ in range(4)))
    assert await shown(service_pool, taken) == all_pieces


async def send_on_stream(bus: Redis, conversation: str, taken: dict[str, Any], **more: Any) -> str:
    id = str(uuid4())
    data = {
        "conversationId": conversation.split("/")[-1],
        "turnId": taken["turnId"],
        "token": taken["token"],
        **more,
    }
    kind, encoded = "chat.turn.chunk.v1", codec.dumps_str(data)
    await bus.xadd("chat.turns", {"id": id, "source": "t", "type": kind, "data": encoded})
    return id


async def test_pieces_may_come_by_the_stream(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str, bus: Redis, service_pool: Pool
) -> None:
    taken = await take(worker, conversation)
    await send_on_stream(bus, conversation, taken, chunk=piece(1))
    await send_on_stream(bus, conversation, taken, chunk=piece(1))
    await send_on_stream(bus, conversation, taken, chunk=piece(2))
    missing = await send_on_stream(bus, conversation, taken, chunk=piece(4))
    forged = await send_on_stream(bus, conversation, taken, token="forged", chunk=piece(3))
    await send_on_stream(bus, conversation, taken, chunk=piece(3))
    unreadable = await send_on_stream(bus, conversation, taken, chunk={"number": 9})
    large = await send_on_stream(
        bus,
        conversation,
        taken,
        chunk={"number": 4, "type": "tool_use", "id": "1", "name": "n", "input": {"x": "y" * 300_000}},
    )
    codes = await rejections(bus, missing, forged, unreadable, large)
    assert codes == {
        missing: "pieces_out_of_order",
        forged: "turn_token_refused",
        unreadable: "invalid",
        large: "piece_too_large",
    }
    assert await shown(service_pool, taken) == [piece(1), piece(2), piece(3)]
    (await show(worker, conversation, taken, lines(piece(4)))).raise_for_status()
    path = f"{conversation}/turns/{taken['turnId']}/finish"
    (await worker.post(path, json={}, headers=with_token(taken))).raise_for_status()
    again = await send_on_stream(bus, conversation, taken, chunk=piece(1))  # as when the group was lost
    late = await send_on_stream(bus, conversation, taken, chunk=piece(5))
    assert await rejections(bus, late) == {late: "turn_over"}
    assert again not in str(await entries(bus, "chat.events"))
    for stream in ("chat.events", "chat.turns.dead"):
        assert taken["token"] not in str(await entries(bus, stream))
    assert len(await entries(bus, "chat.turns.dead")) >= 5


@pytest.mark.parametrize(
    "contract", [*chat.TYPES.values(), *cockpit.TYPES.values(), *knowledge.TYPES.values()]
)
def test_members_that_are_secrets_are_known(contract: type[Contract]) -> None:
    """A new contract whose field proves who sends it must be added to ``dead_letters``."""
    names = {field.alias or name for name, field in contract.model_fields.items()}
    tokens = {name for name in names if name.lower().endswith("token")}
    assert tokens <= set(SECRET_MEMBERS)


@pytest.mark.parametrize(
    ("data", "left"),
    [
        (b'{"token":"s","a":{"token":"mine"}}', b'{"a":{"token":"mine"}}'),
        (b'{"turnToken" : "s\\"s","a":1}', b'{"a":1}'),
        (b'{"a":1,"turnToken":"sss', b'{"a":1,""'),
        (b'{"state":{"token":"mine"}}', b'{"state":{"token":"mine"}}'),
    ],
)
def test_a_dead_letter_has_no_secret(data: bytes, left: bytes) -> None:
    assert without_secrets(data) == left
