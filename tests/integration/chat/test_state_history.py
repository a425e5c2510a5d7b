"""The versions of a state: who made each and when, how many are kept, and whose writes are kept."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis.asyncio import Redis

from backbone.outbox import Fact
from chat.conversations.use_cases import delete_conversation
from chat.states import repository
from chat.states.history import get_version, list_versions, prune
from chat.states.records import Author, EditedState, Limits, StateEdit
from chat.states.routes import VERSIONS
from chat.states.use_cases import edit_state, edit_states
from chat.transfers.exporting import export_conversation
from common.errors import NotFound, PermanentError
from common.postgres import Connection, Pool, transaction
from servicekit.conditions import Condition
from tests.integration.chat.conftest import NewConversation, post, published, user_of
from tests.integration.chat.test_commands import send

LIMITS = Limits(state_bytes=1_000_000, versions=5, versions_bytes=1_000_000)
KEPT = "SELECT version FROM chat_state_versions WHERE conversation_id = $1 ORDER BY version"
BYTES = "SELECT sum(bytes)::int FROM chat_state_versions WHERE conversation_id = $1"
ALICE = Author(user_id="alice")
NODE_UPDATE = 'update "conversations" set "state" = $2, "updated_at" = CURRENT_TIMESTAMP where "id" = $1'


async def kept(pool: Pool, id: UUID) -> list[int]:
    """The versions that are kept of a state, oldest first."""
    return [row["version"] for row in await pool.fetch(KEPT, id)]


async def patch(pool: Pool, id: UUID, patches: Sequence[dict[str, Any]], limits: Limits = LIMITS) -> None:
    """Apply patches in one batch, as the stream's consumer does."""
    async with transaction(pool) as connection:
        edits = [StateEdit(id, each, Author(source="/tests")) for each in patches]
        outcomes = await edit_states(connection, edits, limits)
    assert not [outcome for outcome in outcomes if isinstance(outcome, PermanentError)]


async def test_each_version_says_who_made_it_and_when_and_can_be_restored(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, bus: Redis, service_pool: Pool
) -> None:
    conversation = await post(alice, "/api/conversations", agentId="module-writer")
    path = f"/api/conversations/{conversation['id']}/state"
    created = [
        {"version": 0, "bytes": 2, "userId": None, "source": None, "changedAt": conversation["createdAt"]}
    ]
    assert (await alice.get(f"{path}/versions")).json() == {"data": created}
    assert (await alice.get(f"{path}/versions/0")).json()["data"] == {**created[0], "state": {}}

    await alice.patch(path, json={"a": 1})
    command = {"conversationId": conversation["id"], "state": {"b": None}}
    await send(bus, "chat.conversation.state.replace.v1", command, source="/agents/writer")
    await published(bus, conversation["id"], 3)
    await service_pool.execute(NODE_UPDATE, UUID(conversation["id"]), {"node": 1})

    listed = (await alice.get(f"{path}/versions")).json()["data"]
    assert [(v["version"], v["userId"], v["source"]) for v in listed] == [
        (3, None, None),
        (2, None, "/agents/writer"),
        (1, user_of(alice), None),
        (0, None, None),
    ]
    assert listed[-1] == created[0]
    assert [v["changedAt"] for v in listed] == sorted((v["changedAt"] for v in listed), reverse=True)
    states = [(await alice.get(f"{path}/versions/{v}")).json()["data"]["state"] for v in range(4)]
    assert states == [{}, {"a": 1}, {"b": None}, {"node": 1}]

    page = (await alice.get(f"{path}/versions", params={"limit": 3})).json()
    assert page["data"] == listed[:3]
    rest = await alice.get(f"{path}/versions", params={"limit": 3, "cursor": page["meta"]["nextCursor"]})
    assert rest.json() == {"data": listed[3:], "meta": {"nextCursor": None}}
    upwards = await alice.get(f"{path}/versions", params={"order": "asc"})
    assert upwards.json()["data"] == listed[::-1]

    restored = await alice.put(path, json={"state": states[1], "expectedVersion": 3})
    assert restored.json()["data"] == {"state": {"a": 1}, "version": 4}

    assert (await alice.get(f"{path}/versions/7")).json() == {"error": "State version not found"}
    assert (await alice.get(f"{path}/versions/x")).status_code == 400
    assert (await alice.get(f"{path}/versions/-1")).status_code == 400
    assert (await alice.get(f"{path}/versions", params={"cursor": "x"})).status_code == 400
    for where in (f"{path}/versions", f"{path}/versions/1"):
        assert (await mallory.get(where)).status_code == 403
        assert (await alice.get(where.replace(conversation["id"], str(uuid4())))).status_code == 404


async def test_the_newest_versions_are_kept(pool: Pool, conversation: NewConversation) -> None:
    id = await conversation()
    for i in range(7):
        await edit_state(pool, "alice", StateEdit(id, {"i": i}, ALICE), LIMITS)
    assert await kept(pool, id) == [3, 4, 5, 6, 7]
    await patch(pool, id, [{"i": -i} for i in range(1, 12)])
    assert await kept(pool, id) == [14, 15, 16, 17, 18]
    await patch(pool, id, [{"i": 0}], Limits(1_000_000, versions=2, versions_bytes=1_000_000))
    assert await kept(pool, id) == [18, 19]


async def test_old_versions_are_removed_some_at_once_and_not_shown_until_then(
    pool: Pool, conversation: NewConversation
) -> None:
    id, limits = await conversation(), Limits(1_000_000, versions=16, versions_bytes=1_000_000)
    stored = []
    for i in range(1, 25):
        await edit_state(pool, "alice", StateEdit(id, {"i": i}, ALICE), limits)
        stored.append(len(await kept(pool, id)))
        if i in (17, 23):
            page = VERSIONS.page(None, None, None, id)
            shown = [v.version async for part in list_versions(pool, "alice", id, limits, page) for v in part]
            assert shown == list(range(i, i - 16, -1))
            with pytest.raises(NotFound):
                await get_version(pool, "alice", id, limits, i - 16)
            assert (await get_version(pool, "alice", id, limits, i - 15)).about.version == i - 15
            exported = b"".join([lines async for lines in export_conversation(pool, "alice", id, limits)])
            assert exported.count(b'"type":"stateVersion"') == 16
    assert stored[:17] == list(range(2, 19)), "the state of the creation is one too"
    assert set(stored[17:]) == {16, 17, 18}


async def test_the_bytes_of_all_versions_together_are_bounded(
    pool: Pool, conversation: NewConversation
) -> None:
    id, limits = await conversation(), Limits(1_000_000, versions=100, versions_bytes=10_000)
    for i in range(12):
        await edit_state(pool, "alice", StateEdit(id, {"text": "x" * 2_000, "i": i}, ALICE), limits)
        assert await pool.fetchval(BYTES, id) <= 10_000
    assert await kept(pool, id) == [9, 10, 11, 12]
    await patch(pool, id, [{"text": "y" * 3_000, "i": i} for i in range(8)], limits)
    assert await kept(pool, id) == [18, 19, 20]
    await patch(pool, id, [{"text": "z" * 20_000}], limits)
    assert await kept(pool, id) == [21], "the newest is kept however large it is"
    await patch(pool, id, [{"text": None}], limits)
    assert await kept(pool, id) == [22]


async def test_a_batch_of_large_states_is_written_in_parts_and_told_without_gaps(
    pool: Pool, conversation: NewConversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, limits = [await conversation(), await conversation()], Limits(1_000_000, 100, 100_000_000)
    sizes: list[int] = []
    write = repository.update_states

    async def measure(
        connection: Connection,
        edited: Sequence[EditedState],
        facts: Sequence[Fact],
        limits: Limits,
        *,
        in_time: bool = False,
    ) -> bool:
        sizes.append(sum(len(version.state) for each in edited for version in each.versions))
        return await write(connection, edited, facts, limits, in_time=in_time)

    monkeypatch.setattr(repository, "update_states", measure)
    async with transaction(pool) as connection:
        edits = [StateEdit(id, {"text": "x" * 400_000, "i": i}, ALICE) for i in range(1, 16) for id in ids]
        await edit_states(connection, edits, limits)
    assert len(sizes) > 1
    assert max(sizes) < 9_000_000
    for id in ids:
        assert await kept(pool, id) == list(range(16))
        told = await pool.fetch(
            "SELECT sequence, (data::jsonb ->> 'version')::int AS version FROM outbox WHERE subject = $1 "
            "ORDER BY position",
            str(id),
        )
        assert [tuple(row) for row in told] == [(i, i) for i in range(1, 16)]


async def test_other_writers_changes_are_kept_within_every_limit(
    pool: Pool, conversation: NewConversation
) -> None:
    id = await conversation()
    for i in range(3):
        await pool.execute(NODE_UPDATE, id, {"node": i})
    assert await kept(pool, id) == [0, 1, 2, 3]
    await edit_state(pool, "alice", StateEdit(id, {"ours": 1}, ALICE), LIMITS)
    await pool.execute(NODE_UPDATE, id, {"node": "x" * 50_000_000})
    await pool.execute(NODE_UPDATE, id, {"node": "y" * 60_000_000})
    assert await kept(pool, id) == [6]
    await pool.execute("UPDATE conversations SET title = 'no state' WHERE id = $1", id)
    assert await kept(pool, id) == [6]


async def test_a_state_from_before_the_history_is_kept_with_the_first_change(
    pool: Pool, conversation: NewConversation
) -> None:
    id = await conversation()
    await pool.execute("ALTER TABLE conversations DISABLE TRIGGER conversations_state_history")
    await pool.execute(NODE_UPDATE, id, {"old": 1})
    await pool.execute("ALTER TABLE conversations ENABLE TRIGGER conversations_state_history")
    await edit_state(pool, "alice", StateEdit(id, {"new": 1}, ALICE), LIMITS)
    rows = await pool.fetch(
        "SELECT version, state, user_id, changed_at IS NULL AS unknown FROM chat_state_versions "
        "WHERE conversation_id = $1 ORDER BY version",
        id,
    )
    assert [tuple(row) for row in rows] == [
        (1, {"old": 1}, None, True),
        (2, {"old": 1, "new": 1}, "alice", False),
    ]


async def test_what_is_refused_or_changes_nothing_leaves_no_version(
    pool: Pool, conversation: NewConversation
) -> None:
    id = await conversation()
    await patch(pool, id, [{"a": 1}, {"a": 1}])
    stale = StateEdit(id, {"a": 2}, ALICE, Condition(expected_version=0))
    with pytest.raises(PermanentError):
        await edit_state(pool, "alice", stale, LIMITS)
    assert await kept(pool, id) == [0, 1]


async def test_a_deleted_conversation_leaves_no_versions(pool: Pool, conversation: NewConversation) -> None:
    id, other = await conversation(), await conversation()
    await patch(pool, id, [{"a": 1}])
    await patch(pool, other, [{"a": 1}])
    await delete_conversation(pool, "alice", id)
    assert (await kept(pool, id), await kept(pool, other)) == ([], [0, 1])


async def test_old_versions_are_removed_but_for_the_newest(pool: Pool, conversation: NewConversation) -> None:
    ids = [await conversation(), await conversation()]
    for id in ids:
        await patch(pool, id, [{"a": 1}, {"a": 2}, {"a": 3}])
    await pool.execute(
        "UPDATE chat_state_versions SET changed_at = now() - interval '31 days' "
        "WHERE version < 2 OR conversation_id = $1",
        ids[0],
    )
    removed = [await prune(pool, 30, 2) for _ in range(4)]
    assert removed == [2, 2, 1, 0]
    assert [await kept(pool, id) for id in ids] == [[3], [2, 3]]


async def test_writers_at_the_same_time_leave_every_version(
    pool: Pool, conversation: NewConversation
) -> None:
    id = await conversation()
    limits = Limits(1_000_000, 100, 1_000_000)
    await asyncio.gather(
        *(edit_state(pool, "alice", StateEdit(id, {f"k{i}": i}, ALICE), limits) for i in range(8)),
        *(pool.execute(NODE_UPDATE, id, {"node": i}) for i in range(8)),
    )
    assert await kept(pool, id) == list(range(17))
