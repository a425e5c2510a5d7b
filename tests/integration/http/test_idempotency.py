"""A request with an Idempotency-Key has its effect once, whatever happens, and each repetition its answer.

Two of :class:`AnsweredOnce` are two processes: they share nothing but the database.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, ClassVar

import pytest
from fastapi import Request
from starlette.responses import Response, StreamingResponse

from backbone import idempotency
from common.errors import Conflict, Invalid, TooLarge
from common.postgres import Pool, create_pool, transaction, tried_again
from servicekit.answers import data, failure
from servicekit.auth import Caller
from servicekit.idempotency import REPLAYED, AnsweredOnce, KeyReused, key_of
from servicekit.settings import ServiceSettings
from tests.support import without
from tests.support.wait import eventually

PATH = "/api/things"


class Settings(ServiceSettings):
    """One connection is enough: whoever waits holds none."""

    service: ClassVar[str] = "chat"
    auth_mode: Any = "dev"
    database_pool_size: int = 2
    lease_ttl_seconds: float = 600
    idempotency_wait_seconds: float = 60
    idempotency_answer_max_bytes: int = 1_000


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with await create_pool(Settings(database_url=database)) as opened:
        await opened.execute("CREATE TABLE effects (number integer)")
        yield opened


@pytest.fixture
def answered(database: str) -> AnsweredOnce:
    return AnsweredOnce(Settings(database_url=database))


@pytest.fixture
def other(database: str) -> AnsweredOnce:
    return AnsweredOnce(Settings(database_url=database))


def request(user: str = "ann", path: str = PATH, query: str = "") -> Request:
    scope = {"type": "http", "method": "POST", "path": path, "query_string": query.encode(), "headers": []}
    return Request(scope | {"state": {"caller": Caller(user)}})


class Endpoint:
    """Its effect is a row; it then waits for ``go`` and answers with the number of its call."""

    def __init__(self, pool: Pool, **answer: Any) -> None:
        self.pool, self.calls, self.entered, self.go = pool, 0, asyncio.Event(), asyncio.Event()
        self.go.set()

    async def __call__(self) -> Response:
        self.calls += 1
        await self.insert(self.calls)
        self.entered.set()
        await self.go.wait()
        response = data({"call": self.calls}, status=201)
        response.headers["ETag"] = f'"{self.calls}"'
        return response

    @tried_again
    async def insert(self, number: int) -> None:
        async with transaction(self.pool) as connection:
            await connection.execute("INSERT INTO effects VALUES ($1)", number)

    async def effects(self) -> list[int]:
        return [row["number"] for row in await self.pool.fetch("SELECT number FROM effects ORDER BY number")]


@pytest.fixture
def endpoint(pool: Pool) -> Endpoint:
    return Endpoint(pool)


async def ask(
    answered: AnsweredOnce,
    endpoint: Endpoint,
    run: Callable[[], Awaitable[Response]] | None = None,
    *,
    key: str = "k",
    body: bytes = b"{}",
    **more: str,
) -> Response:
    return await answered.answer(endpoint.pool, request(**more), key, body, run or endpoint)


@pytest.mark.parametrize("kept", [True, False], ids=["with", "without"])
async def test_a_repetition_has_no_further_effect_and_gets_the_same_answer(
    answered: AnsweredOnce, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    if not kept:
        without.idempotency_keys(monkeypatch)
    first = await ask(answered, endpoint)
    again = await ask(answered, endpoint)
    assert (again.body == first.body) == kept
    assert await endpoint.effects() == ([1] if kept else [1, 2])
    if kept:
        assert again.status_code == first.status_code == 201
        assert again.headers[REPLAYED] == "true"
        del again.headers[REPLAYED]
        assert dict(again.headers) == dict(first.headers)


async def test_a_key_belongs_to_one_request_of_one_user(
    answered: AnsweredOnce, endpoint: Endpoint, database: str
) -> None:
    await ask(answered, endpoint)
    changed: tuple[dict[str, Any], ...] = ({"body": b"{} "}, {"path": "/api/others"}, {"query": "a=1"})
    for other in changed:
        with pytest.raises(KeyReused) as refused:
            await ask(answered, endpoint, **other)
        assert refused.value.status == 422
    assert endpoint.calls == 1
    await ask(answered, endpoint, user="bob")
    await ask(answered, endpoint, key="K")

    class Cockpit(Settings):
        service: ClassVar[str] = "cockpit"

    await ask(AnsweredOnce(Cockpit(database_url=database)), endpoint)
    assert await endpoint.effects() == [1, 2, 3, 4]


@pytest.mark.parametrize("processes", [1, 2])
async def test_who_comes_while_the_first_runs_waits_for_its_answer(
    answered: AnsweredOnce, other: AnsweredOnce, endpoint: Endpoint, processes: int
) -> None:
    endpoint.go.clear()
    second = answered if processes == 1 else other
    async with asyncio.TaskGroup() as group:
        first = group.create_task(ask(answered, endpoint))
        await endpoint.entered.wait()
        waiting = [group.create_task(ask(second, endpoint)) for _ in range(20)]
        await eventually(lambda: sum(turn.requests for turn in second._turns.values()) >= 20)
        # The pool has two connections, and the first request holds one of them.
        assert await endpoint.effects() == []
        endpoint.go.set()
    assert {task.result().body for task in waiting} == {first.result().body}
    assert await endpoint.effects() == [1]
    assert not second._turns, "nothing is remembered of who has waited"


@pytest.mark.parametrize("processes", [1, 2])
async def test_who_has_waited_too_long_is_told_that_the_first_still_runs(
    answered: AnsweredOnce, database: str, endpoint: Endpoint, processes: int
) -> None:
    patience = Settings(database_url=database, idempotency_wait_seconds=0.2)
    second = AnsweredOnce(patience)
    first = second if processes == 1 else answered
    endpoint.go.clear()
    async with asyncio.TaskGroup() as group:
        group.create_task(ask(first, endpoint))
        await endpoint.entered.wait()
        with pytest.raises(Conflict) as refused:
            await ask(second, endpoint)
        assert refused.value.code == "idempotency_key_in_use"
        endpoint.go.set()
    assert await endpoint.effects() == [1]


async def test_an_error_leaves_no_effect_and_the_key_free(answered: AnsweredOnce, endpoint: Endpoint) -> None:
    async def refuses() -> Response:
        await endpoint()
        raise Invalid("no")

    async def answers_an_error() -> Response:
        await endpoint()
        return failure("busy", 503)

    with pytest.raises(Invalid):
        await ask(answered, endpoint, refuses)
    assert (await ask(answered, endpoint, answers_an_error)).status_code == 503
    assert await endpoint.effects() == []
    assert (await ask(answered, endpoint, body=b"corrected")).status_code == 201
    assert await endpoint.effects() == [3]


@pytest.mark.parametrize("together", [True, False], ids=["with", "without"])
async def test_what_is_interrupted_before_its_answer_is_kept_has_no_effect(
    answered: AnsweredOnce, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    if not together:
        without.joining(monkeypatch)
    endpoint.go.clear()
    first = asyncio.create_task(ask(answered, endpoint))
    await endpoint.entered.wait()
    first.cancel()
    await asyncio.wait([first])
    endpoint.go.set()
    await ask(answered, endpoint)
    assert await endpoint.effects() == ([2] if together else [1, 2])


async def test_a_key_is_free_when_its_answer_has_expired(answered: AnsweredOnce, endpoint: Endpoint) -> None:
    age = "UPDATE idempotency_keys SET created_at = now() - make_interval(secs => $1)"
    await ask(answered, endpoint)
    await endpoint.pool.execute(age, 86_000.0)
    assert REPLAYED in (await ask(answered, endpoint)).headers
    await endpoint.pool.execute(age, 86_401.0)
    assert REPLAYED not in (await ask(answered, endpoint, body=b"another")).headers
    assert REPLAYED in (await ask(answered, endpoint, body=b"another")).headers
    assert await endpoint.effects() == [1, 2]


async def test_answers_are_deleted_a_bounded_number_at_once(
    answered: AnsweredOnce, endpoint: Endpoint
) -> None:
    for number in range(5):
        await ask(answered, endpoint, key=f"old-{number}")
    await endpoint.pool.execute("UPDATE idempotency_keys SET created_at = now() - interval '2 days'")
    await ask(answered, endpoint, key="new")

    async def prune(service: str) -> int:
        async with endpoint.pool.acquire() as connection:
            return await idempotency.prune(connection, service, older_than_seconds=86_400, limit=3)

    assert [await prune("cockpit"), await prune("chat"), await prune("chat"), await prune("chat")] == [
        0,
        3,
        2,
        0,
    ]
    assert await endpoint.pool.fetchval("SELECT key FROM idempotency_keys") == "new"
    async with endpoint.pool.acquire() as connection:
        assert await idempotency.delete_of_user(connection, "chat", "bob") == 0
        assert await idempotency.delete_of_user(connection, "chat", "ann") == 1


@pytest.mark.parametrize("streamed", [True, False])
async def test_an_answer_too_large_to_be_kept_is_refused_and_nothing_done(
    answered: AnsweredOnce, endpoint: Endpoint, streamed: bool
) -> None:
    async def chunks(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 100):
            yield b"x" * 100

    def of(size: int) -> Callable[[], Awaitable[Response]]:
        async def run() -> Response:
            await endpoint()
            return StreamingResponse(chunks(size)) if streamed else Response(b"x" * size)

        return run

    with pytest.raises(TooLarge, match="Nothing was done"):
        await ask(answered, endpoint, of(1_100))
    assert await endpoint.effects() == []
    first = await ask(answered, endpoint, of(1_000))
    assert first.body == (await ask(answered, endpoint)).body == b"x" * 1_000


async def test_a_task_that_the_endpoint_starts_has_its_own_connection(
    answered: AnsweredOnce, endpoint: Endpoint
) -> None:
    """It may outlive the transaction, and would use the connection at the same time."""

    async def refuses() -> Response:
        await endpoint.insert(1)
        await asyncio.create_task(endpoint.insert(2))
        raise Invalid("no")

    with pytest.raises(Invalid):
        await ask(answered, endpoint, refuses)
    assert await endpoint.effects() == [2]


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a b", "ä", "a\tb", "\x7f"])
def test_a_key_that_cant_be_kept_is_refused(key: str) -> None:
    with pytest.raises(Invalid):
        key_of({"headers": [(b"idempotency-key", key.encode("latin-1"))]})


def test_a_key_is_one_header() -> None:
    named = (b"idempotency-key", b"~" * 255)
    assert key_of({"headers": [named]}) == "~" * 255
    assert key_of({"headers": [(b"content-type", b"x")]}) is None
    with pytest.raises(Invalid):
        key_of({"headers": [named, named]})
