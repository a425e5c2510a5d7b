"""Erasing a user: in bounded transactions, exactly once, whatever interrupts it, and nothing is left."""

import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY

from backbone import erasures, user_data
from backbone.erased_ids import digest_of_user
from backbone.erasing import ServiceErasing
from backbone.leases import Lease
from chat.custom_agents import repository as agents
from chat.custom_agents.records import AgentValues
from chat.erasing import rules as chat
from chat.erasing.use_cases import create_erasing as create_chat
from chat.knowledge_bases.records import ToldBase
from chat.knowledge_bases.use_cases import keep_base
from chat.messages.records import NewMessage
from chat.messages.use_cases import append_messages
from cockpit.erasing import rules as cockpit
from cockpit.erasing.use_cases import create_erasing as create_cockpit
from cockpit.servers.use_cases import start_server_in
from cockpit.sessions.use_cases import session_of
from common.postgres import Pool, transaction
from knowledge.bases.records import KnowledgeBase, Origin
from knowledge.erasing import rules as knowledge
from knowledge.erasing.use_cases import create_erasing as create_knowledge
from knowledge.registry.registration import register
from knowledge.requests.use_cases import request_sync

NOW = datetime.now(UTC)
ERASING = {"chat": create_chat(), "knowledge": create_knowledge(), "cockpit": create_cockpit()}
REGISTERED = (
    set((chat.TABLES | chat.DELETED_WITH_FACTS | knowledge.TABLES | cockpit.TABLES).items())
    | set(chat.FORGOTTEN.items())
    | {("idempotency_keys", "user_id")}  # each service's own
    | {("erasures", "user_id")}  # until the service has finished
    | {("chat_state_versions", "user_id")}  # deleted with their conversation
)


WITH_A_BASE = {"knowledge_embeddings", "knowledge_sync_state", "knowledge_vectors", "knowledge_words"}
"""Deleted with their base by ``knowledge.registry.removal``, or by a trigger; no foreign key does it."""

STAYING = {
    "alembic_version": "the schema's revision",
    "schema_migrations": "the schema's revisions",
    "leases": "names of processes and bases, which hold no content",
    "outbox": "facts of the user are deleted before they are published: backbone.sweeping",
    "inbox": "ids and digests of commands; the reasons of rejections are taken out: backbone.sweeping",
    "retired_subjects": "the last sequences of deleted subjects, for those that are created again",
    "erased_ids": "digests alone, by which older commands are refused",
    "knowledge_retired_schedules": "ids of bases, until the scheduler of each is removed",
    "knowledge_spaces": "ids of bases and versions, until knowledge deletes those without chunks",
    "knowledge_word_spaces": "the languages of spaces, deleted with them",
    "knowledge_word_counts": "numbers by the hash of a word, deleted with their space",
    "knowledge_embedding_cache": "numbers by the hash of a content that anybody may have",
    "message_search_queue": "places of messages, until the index is in step",
    "chat_announced_agents": "what runtimes say of themselves, until they say it no more",
    "chat_announced_tools": "what runtimes say of themselves, until they say it no more",
}


async def test_every_table_is_erased_or_stays_for_a_reason(pool: Pool) -> None:
    """A new table must be deleted with a row that is erased, or be named above with what it holds."""
    tables = {
        row["relname"]
        for row in await pool.fetch(
            "SELECT relname FROM pg_class "
            "WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        )
    }
    parents = {
        row["child"]: row["parent"]
        for row in await pool.fetch(
            "SELECT conrelid::regclass::text AS child, confrelid::regclass::text AS parent "
            "FROM pg_constraint WHERE contype = 'f' AND confdeltype = 'c'"
        )
    }
    erased = {table for table, _ in REGISTERED} | WITH_A_BASE
    while more := {child for child, parent in parents.items() if parent in erased} - erased:
        erased |= more
    assert tables - erased == STAYING.keys()


async def test_every_table_with_a_users_id_is_erased_by_a_service(pool: Pool) -> None:
    """A new table with a user's id must be named in a service's ``erasing/rules.py``."""
    async with pool.acquire() as connection:
        assert set(await user_data.list_owner_columns(connection)) <= REGISTERED


def knowledge_base(base_id: str, owner: str | None) -> KnowledgeBase:
    origin: Origin = "api" if owner else "settings"
    source, texts = "github:o/r@main", (".md",)
    return KnowledgeBase(
        base_id, "Base", "", source, "latest", texts, (), (), 1000, 200, None, origin, owner, owner is None
    )


async def fill(pool: Pool, user: str) -> None:
    """Let a user have something in each table."""
    conversations = [uuid4() for _ in range(3)]
    async with transaction(pool) as connection:
        for conversation_id in conversations:
            await connection.execute(
                "INSERT INTO conversations (id, agent_id, agent_version, user_id) VALUES ($1, 'a', 'b', $2)",
                conversation_id,
                user,
            )
        await append_messages(
            connection, [NewMessage(uuid4(), each, "user", "x") for each in conversations for _ in range(2)]
        )
        values = AgentValues("mine", None, "p", [], [], "m", 0.7, 100)
        await agents.insert_agent(connection, user, values)
        session = await session_of(connection, user, conversations[0])
        await start_server_in(connection, session)
        base = knowledge_base(f"kb-{user}", user)
        await register(connection, base)
        await request_sync(connection, base.id, reason="registry", requested_by=user)
        public = knowledge_base("public", None)
        await register(connection, public)
        await request_sync(connection, public.id, reason="http", requested_by=user)
        await keep_base(connection, ToldBase(f"of {user}", "b", "", user, False, 1, False), user, NOW)
        await connection.execute(
            "INSERT INTO chat_quotas (user_id, measure, period, soft, set_by) "
            "VALUES ($1, 'messages', 'day', 5, $2)",
            f"friend of {user}",
            user,
        )
        for service in erasures.SERVICES:
            await connection.execute(
                "INSERT INTO idempotency_keys VALUES ($1, $2, 'k', '', 200, '[]', '')", service, user
            )


async def left(pool: Pool, user: str) -> dict[str, int]:
    async with pool.acquire() as connection:
        found = {
            table: await user_data.count_rows(connection, table, column, user)
            for table, column in await user_data.list_owner_columns(connection)
        }
    return {table: count for table, count in found.items() if count}


async def facts(pool: Pool, subject: UUID) -> list[tuple[str, int, dict[str, object]]]:
    rows = await pool.fetch(
        "SELECT type, sequence, data FROM outbox WHERE subject = $1 ORDER BY stream, position", str(subject)
    )
    return [(row["type"], row["sequence"], json.loads(row["data"])) for row in rows]


async def test_everything_of_a_user_is_erased_and_nobody_elses(pool: Pool, lease: Lease) -> None:
    await fill(pool, "ann")
    await fill(pool, "bob")
    bobs = await left(pool, "bob")
    async with transaction(pool) as connection:
        erasure = await erasures.request(connection, "ann")
        assert await erasures.request(connection, "ann") == erasure, "one at a time"
    for service in ERASING.values():
        await service.carry_out(pool, lease)
    assert await left(pool, "ann") == {}
    assert await left(pool, "bob") == bobs
    async with pool.acquire() as connection:
        receipts = {each.service: each for each in await erasures.list_receipts(connection, erasure)}
    assert all(each.finished_at and each.user_sha256 == digest_of_user("ann") for each in receipts.values())
    assert {service: dict(each.counts) for service, each in receipts.items()} == {
        "chat": {
            "conversations": 3,
            "messages": 6,
            "custom_agents": 1,
            "chat_agent_versions": 1,
            "chat_usage_entries": 1,
            "chat_quotas": 1,
            "chat_knowledge_bases": 1,
            "idempotency_keys": 1,
        }
        | ({"message_search": 6} if "message_search" in receipts["chat"].counts else {}),
        "knowledge": {
            "knowledge_bases": 1,
            "knowledge_embeddings": 0,
            "knowledge_syncs": 1,
            "idempotency_keys": 1,
        },
        "cockpit": {"cockpit_game_servers": 1, "idempotency_keys": 1},
    }
    told = await facts(pool, erasure)
    for name in erasures.SERVICES:
        own = [(sequence, data) for type, sequence, data in told if type == f"{name}.user.erased.v1"]
        assert [sequence for sequence, _ in own] == list(range(1, len(own) + 1))
        assert [data["finished"] for _, data in own] == [False] * (len(own) - 1) + [True]
        assert own[-1][1]["counts"] == dict(receipts[name].counts)
    subjects = [s for type, _, data in told if type == "chat.user.erased.v1" for s in data["subjects"]]  # type: ignore[attr-defined]
    assert len(subjects) == 4


@pytest.mark.parametrize("service", list(ERASING))
async def test_an_interrupted_erasure_goes_on_and_counts_each_row_once(
    pool: Pool, lease: Lease, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each transaction fails once before its commit, as if the process had been killed there."""
    await fill(pool, "ann")
    async with transaction(pool) as connection:
        erasure = await erasures.request(connection, "ann")
    erasing, steps = ERASING[service], 0
    make_fact, failed = erasing.make_fact, False

    def fail_every_other_time(**members: object) -> object:
        nonlocal failed
        failed = not failed
        if failed:
            raise RuntimeError("killed")
        return make_fact(**members)

    killed = ServiceErasing(erasing.service, erasing.parts, erasing.stream, fail_every_other_time)  # type: ignore[arg-type]
    while True:
        steps += 1
        try:
            if await killed.step(pool, lease, 0) == "none":
                break
        except RuntimeError:
            continue
    async with pool.acquire() as connection:
        [receipt] = [e for e in await erasures.list_receipts(connection, erasure) if e.service == service]
    assert receipt.finished_at
    assert steps == 2 * len(await facts(pool, erasure)) + 1
    assert receipt.counts["idempotency_keys"] == 1
    assert receipt.counts.get("messages", 6) == 6
    assert receipt.counts.get("cockpit_sessions", 1) == 1


async def test_an_erasure_that_fails_does_not_hold_up_the_next(pool: Pool, lease: Lease) -> None:
    async with transaction(pool) as connection:
        first = await erasures.request(connection, "ann")
        second = await erasures.request(connection, "bob")
    erasing = ERASING["chat"]

    async def fail_for_ann(connection: object, user_id: str) -> object:
        if user_id == "ann":
            raise RuntimeError("broken")
        return await erasing.parts[0](connection, user_id)  # type: ignore[arg-type]

    broken = ServiceErasing("chat", [fail_for_ann], erasing.stream, erasing.make_fact)  # type: ignore[list-item]
    failures = REGISTRY.get_sample_value("takaro_erasure_failures_total", {"service": "chat"}) or 0
    await broken.carry_out(pool, lease)
    assert REGISTRY.get_sample_value("takaro_erasure_failures_total", {"service": "chat"}) == failures + 1
    assert REGISTRY.get_sample_value("takaro_erasures_open", {"service": "chat"}) == 1
    async with pool.acquire() as connection:
        finished = {
            each: [
                r.finished_at for r in await erasures.list_receipts(connection, each) if r.service == "chat"
            ]
            for each in (first, second)
        }
    assert finished[first] == [None]
    assert finished[second] != [None]
