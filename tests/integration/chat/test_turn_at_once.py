"""Steps of a turn that take one statement: they do nothing unless all is as usual when its wait is over."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat.conversations.use_cases import lock_conversations
from chat.messages import finishing, finishing_repository
from chat.messages.records import NewMessage
from chat.messages.turn_ending import CANCELLED, end_turn
from chat.runtimes.use_cases import end_own_turn, take_turn
from chat.states.records import Author, Limits, StateEdit
from chat.states.use_cases import edit_state
from chat.transfers.use_cases import append_in_bulk
from chat.turns import repository, request_repository, taking_repository
from chat.turns.records import Ending, Taking
from common.errors import Conflict
from common.postgres import Pool, transaction
from contracts.chat.turns import TURN_FACTS
from servicekit.auth import Caller
from tests.integration.chat.conftest import NewConversation, facts
from tests.support import without
from tests.support.wait import eventually

RUNTIME = Caller("runtime", scopes=frozenset({"agent"}), agents=frozenset({"module-writer"}))
EXPIRE = "UPDATE chat_turns SET expires_at = clock_timestamp()"
LIST_TURNS = "SELECT state FROM chat_turns ORDER BY number"
WAITING = """
SELECT count(*) FROM pg_locks
WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())
"""


@dataclass
class Taken:
    """A turn that a runtime has taken, after it was requested."""

    pool: Pool
    conversation_id: UUID
    id: UUID
    digest: str

    def message(self, content: str = "said", id: UUID | None = None) -> NewMessage:
        return NewMessage(
            id or uuid4(),
            self.conversation_id,
            "assistant",
            content,
            owner="alice",
            turn_sha256=self.digest,
            tool_calls=[{"b": 1, "a": 1e3}],
        )

    async def append(self) -> Any:
        messages = [self.message(), self.message()]
        return await append_in_bulk(self.pool, "alice", self.conversation_id, messages)

    async def patch(self) -> Any:
        edit = StateEdit(self.conversation_id, {"late": True}, Author(), turn_sha256=self.digest)
        return await edit_state(self.pool, "alice", edit, Limits(1_000_000, 10, 1_000_000))

    async def finish(self, *messages: NewMessage) -> Any:
        return await end_own_turn(
            self.pool,
            RUNTIME,
            self.conversation_id,
            self.id,
            self.digest,
            Ending("finished", usage={"inputTokens": 1}),
            messages or [self.message()],
        )


async def request(pool: Pool, conversation_id: UUID) -> UUID:
    """Let a user's message ask for a turn; its id."""
    async with transaction(pool) as connection:
        await lock_conversations(connection, [conversation_id], deletes=False)
        [(turn, _)] = await request_repository.request_turns(connection, {conversation_id: 1})
        return turn.id


async def take(
    pool: Pool, conversation_id: UUID, turn_id: UUID | None = None, key: bytes | None = None
) -> Taken:
    digest = sha256(uuid4().bytes).hexdigest()
    taking = Taking("runtime", digest, 30, key_sha256=key, request_sha256=key)
    taken = await take_turn(pool, RUNTIME, conversation_id, turn_id, taking, 3_600)
    return Taken(pool, conversation_id, taken.turn.id, digest)


@pytest.fixture
async def conversation_id(pool: Pool, conversation: NewConversation) -> UUID:
    """A conversation in which a turn is requested."""
    id_ = await conversation()
    await pool.execute("UPDATE conversations SET message_sequence = 1 WHERE id = $1", id_)
    await request(pool, id_)
    return id_


async def is_waiting(pool: Pool) -> bool:
    return bool(await pool.fetchval(WAITING))


async def states_of(pool: Pool) -> list[str]:
    return [row["state"] for row in await pool.fetch(LIST_TURNS)]


async def nowhere(*_: Any, **__: Any) -> None:
    raise AssertionError("it was to take one statement")


async def test_each_step_is_one_statement_and_tells_its_facts(
    pool: Pool, conversation_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (
        "chat.messages.use_cases",
        "chat.runtimes.use_cases",
        "chat.states.use_cases",
        "chat.transfers.use_cases",
    ):
        monkeypatch.setattr(f"{module}.transaction", nowhere)
    taken = await take(pool, conversation_id)
    stored = await taken.append()
    assert [message.tool_calls for message in stored] == ['[{"a": 1000.0, "b": 1}]'] * 2
    await taken.patch()
    turn = await taken.finish()
    assert (turn.id, turn.state, turn.usage, turn.expired) == (
        taken.id,
        "finished",
        {"inputTokens": 1},
        False,
    )
    told = await facts(pool, conversation_id)
    assert [sequence for sequence, _, _ in told] == list(range(told[0][0], told[0][0] + 6))
    assert [kind for _, kind, _ in told] == [
        "chat.turn.started.v1",
        *["chat.message.appended.v1"] * 2,
        "chat.conversation.state_changed.v1",
        "chat.message.appended.v1",
        "chat.turn.finished.v1",
    ]
    contracts = {contract.type: contract for contract in TURN_FACTS}
    for _, kind, data in told:
        if kind in contracts:
            read = contracts[kind].model_validate(data).model_dump(mode="json", by_alias=True)
            assert read.keys() - {name for name, value in read.items() if value is None} == data.keys()
    row = await pool.fetchrow("SELECT * FROM conversations WHERE id = $1", conversation_id)
    assert row is not None
    assert (row["turn_token_sha256"], row["message_sequence"]) == (None, 4)
    assert await pool.fetchval("SELECT pieces FROM chat_turn_pieces WHERE turn_id = $1", taken.id)


@pytest.mark.parametrize("fenced", [True, False])
@pytest.mark.parametrize("step", [Taken.append, Taken.patch])
async def test_a_turn_whose_time_is_over_counts_no_more_though_nobody_has_ended_it(
    pool: Pool,
    conversation_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
    step: Callable[[Taken], Awaitable[Any]],
    fenced: bool,
) -> None:
    if not fenced:
        without.time_of_turns(monkeypatch)
    taken = await take(pool, conversation_id)
    await pool.execute(EXPIRE)
    with pytest.raises(Conflict) if fenced else nullcontext() as refused:
        await step(taken)
    assert refused is None or refused.value.code == "turn_over"


@pytest.mark.parametrize("looks", [True, False])
async def test_what_comes_while_a_turn_waits_to_finish_is_the_next_one(
    pool: Pool, conversation_id: UUID, monkeypatch: pytest.MonkeyPatch, looks: bool
) -> None:
    if not looks:
        statement = finishing_repository.FINISH_TURN.replace("AND t.waiting_sequence IS NULL", "")
        monkeypatch.setattr(finishing_repository, "FINISH_TURN", statement)
    taken = await take(pool, conversation_id)
    async with transaction(pool) as user:
        await lock_conversations(user, [conversation_id], deletes=False)
        finishing_now = asyncio.ensure_future(taken.finish())
        await eventually(lambda: is_waiting(pool))
        await request_repository.let_wait(user, {conversation_id: 1})
    assert (await finishing_now).state == "finished"
    assert await states_of(pool) == (["finished", "requested"] if looks else ["finished"])


async def test_a_turn_that_is_stopped_while_a_runtime_waits_for_it_is_not_taken(
    pool: Pool, conversation_id: UUID
) -> None:
    before = await pool.fetchval("SELECT event_sequence FROM conversations")
    async with transaction(pool) as user:
        await lock_conversations(user, [conversation_id], deletes=False)
        requested = await repository.get_requested(user, conversation_id)
        assert requested is not None
        taking_now = asyncio.ensure_future(take(pool, conversation_id, requested.id))
        await eventually(lambda: is_waiting(pool))
        await end_turn(user, requested, CANCELLED)
    with pytest.raises(Conflict) as refused:
        await taking_now
    assert refused.value.code == "turn_over"
    assert await states_of(pool) == ["cancelled"]
    row = await pool.fetchrow("SELECT event_sequence, turn_token_sha256 FROM conversations")
    assert tuple(row or ()) == (before + 1, None)


async def test_a_request_takes_no_second_turn_with_its_key(pool: Pool, conversation_id: UUID) -> None:
    key = sha256(b"key").digest()
    taken = await take(pool, conversation_id, key=key)
    again = await take(pool, conversation_id, key=key)
    assert again.id == taken.id
    await again.finish()
    await request(pool, conversation_id)
    with pytest.raises(Conflict) as refused:
        await take(pool, conversation_id, key=key)
    assert refused.value.code == "turn_over"
    assert await states_of(pool) == ["finished", "requested"]


async def test_a_turn_finishes_once_with_messages_that_have_ids(pool: Pool, conversation_id: UUID) -> None:
    taken = await take(pool, conversation_id)
    last = taken.message(id=uuid4())
    for _ in range(2):
        assert (await taken.finish(last)).state == "finished"
    assert await pool.fetchval("SELECT count(*) FROM messages") == 1
    assert await states_of(pool) == ["finished"]


async def test_a_finish_with_an_id_that_is_stored_appends_what_is_not(
    pool: Pool, conversation_id: UUID
) -> None:
    taken = await take(pool, conversation_id)
    shown = taken.message("shown")
    await append_in_bulk(pool, "alice", conversation_id, [shown])
    assert (await taken.finish(shown, taken.message("last"))).state == "finished"
    rows = await pool.fetch("SELECT content FROM messages ORDER BY sequence")
    assert [row["content"] for row in rows] == ["shown", "last"]


async def test_only_the_owner_a_finish_names_is_believed(pool: Pool, conversation_id: UUID) -> None:
    taken = await take(pool, conversation_id)
    stranger = taken.message()
    stranger.owner = "mallory"
    assert (
        await finishing.finish_at_once(pool, taken.id, taken.digest, Ending("finished"), [stranger]) is None
    )
    assert await states_of(pool) == ["running"]


async def test_nobody_else_takes_what_is_requested(pool: Pool, conversation_id: UUID) -> None:
    async with pool.acquire() as connection:
        taken = await taking_repository.take_requested(
            connection, conversation_id, "mallory", None, Taking("runtime", "digest", 30)
        )
    assert taken is None
    assert await states_of(pool) == ["requested"]
