"""A deadlock or a serialization failure is tried again from the beginning, before anybody sees it."""

import asyncio

import asyncpg
import pytest

from common import postgres
from common.postgres import Connection, Overtaken, Pool, transaction, tried_again
from tests.integration.locks.conftest import Deadlocks
from tests.support import without

ADD = "UPDATE accounts SET amount = amount + 1 WHERE name = $1"


@pytest.fixture
async def accounts(pool: Pool) -> Pool:
    await pool.execute("CREATE TABLE accounts (name text PRIMARY KEY, amount int NOT NULL)")
    await pool.execute("INSERT INTO accounts VALUES ('a', 0), ('b', 0)")
    return pool


async def _add_crosswise(pool: Pool, attempts: list[str]) -> list[BaseException | None]:
    """Two transactions that lock the same two rows in opposite orders: each the second one when both have
    their first."""
    both_hold_one = asyncio.Barrier(2)

    @tried_again
    async def add(first: str, second: str) -> None:
        attempts.append(first)
        async with transaction(pool) as connection:
            await connection.execute(ADD, first)
            if len(attempts) <= 2:
                await both_hold_one.wait()
            await connection.execute(ADD, second)

    return list(await asyncio.gather(add("a", "b"), add("b", "a"), return_exceptions=True))


async def test_nobody_sees_a_deadlock_and_nothing_is_done_twice(accounts: Pool, deadlocks: Deadlocks) -> None:
    attempts: list[str] = []
    assert await _add_crosswise(accounts, attempts) == [None, None]
    assert len(attempts) > 2
    assert [row["amount"] for row in await accounts.fetch("SELECT amount FROM accounts")] == [2, 2]
    await accounts.close()
    # Whoever tries again may take its row back before the other, who waits for it, wakes up.
    assert await deadlocks() == len(attempts) - 2


async def test_without_another_try_a_deadlock_is_seen(
    accounts: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.another_try(monkeypatch)
    outcomes = await _add_crosswise(accounts, [])
    assert [type(outcome) for outcome in outcomes if outcome] == [asyncpg.DeadlockDetectedError]


async def test_a_serialization_failure_is_tried_again(accounts: Pool) -> None:
    attempts = 0

    @tried_again
    async def add() -> None:
        nonlocal attempts
        attempts += 1
        async with transaction(accounts, isolation="repeatable_read") as connection:
            await connection.fetch("SELECT amount FROM accounts")
            if attempts == 1:
                await accounts.execute(ADD, "a")  # another writer, after this one has looked
            await connection.execute(ADD, "a")

    await add()
    assert attempts == 2
    assert await accounts.fetchval("SELECT amount FROM accounts WHERE name = 'a'") == 2


async def test_what_always_fails_is_raised_after_a_limited_number_of_attempts(pool: Pool) -> None:
    attempts = 0

    @tried_again
    async def never() -> None:
        nonlocal attempts
        attempts += 1
        raise Overtaken("it moved")

    with pytest.raises(Overtaken):
        await never()
    assert attempts == postgres.ATTEMPTS


async def test_another_error_is_raised_at_once(pool: Pool) -> None:
    attempts = 0

    @tried_again
    async def fail(connection: Connection) -> None:
        nonlocal attempts
        attempts += 1
        await connection.execute("SELECT 1 / 0")

    async with pool.acquire() as connection:
        with pytest.raises(asyncpg.DivisionByZeroError):
            await fail(connection)
    assert attempts == 1
