"""The knowledge bases that chat knows of, as ``knowledge.events`` tells: what custom agents may name."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from backbone import erasures
from backbone.erased_ids import insert_subjects
from chat.app import create_knowledge_facts_router
from chat.knowledge_bases import repository
from chat.knowledge_bases.records import ToldBase
from chat.knowledge_bases.rules import told_base
from chat.knowledge_bases.use_cases import keep_base
from common import codec
from common.errors import Invalid
from common.postgres import Pool, transaction
from contracts.knowledge import BaseUpdated
from tests.integration.chat.conftest import post, user_of
from tests.support.wait import eventually

NOW = datetime.now(UTC)
BODY = {"systemPrompt": "p", "model": "m", "tools": []}


def fact(id: str, **fields: Any) -> dict[str, Any]:
    base = {
        "knowledgeBaseId": id,
        "name": f"The {id}",
        "version": "1",
        "source": "s",
        "refreshSchedule": None,
    }
    return base | {"public": True, "description": "About it.", "revision": 1} | fields


async def tell(bus: Redis, id: str, **fields: Any) -> None:
    entry: dict[Any, Any] = {
        "type": BaseUpdated.type,
        "id": str(uuid4()),
        "source": "/takaro/knowledge",
        "subject": id,
        "time": datetime.now(UTC).isoformat(),
        "data": codec.dumps_str(fact(id, **fields)),
    }
    await bus.xadd("knowledge.events", entry)


async def offered(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    answer = await client.get("/api/custom-agents/knowledge-bases")
    assert answer.status_code == 200, answer.text
    return {base["id"]: base for base in answer.json()["data"]}


async def until_offered(client: httpx.AsyncClient, id: str, *, offers: bool = True) -> None:
    async def look() -> bool:
        return (id in await offered(client)) == offers

    await eventually(look)


async def test_names_are_checked_once_chat_was_told_of_a_base_and_say_nothing_of_others(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, bus: Redis, service_pool: Pool
) -> None:
    await service_pool.execute("DELETE FROM chat_knowledge_bases")
    path, old = "/api/custom-agents", f"old-{uuid4()}"
    unchecked = await post(alice, path, **BODY, name="old", knowledgeBases=[old])

    public, own, private = (f"{name}-{uuid4()}" for name in ("public", "own", "private"))
    await tell(bus, public)
    await tell(bus, own, public=False, ownerId=user_of(alice))
    await tell(bus, private, public=False, ownerId=user_of(mallory))
    await until_offered(mallory, private)
    bases = await offered(alice)
    assert (public in bases, own in bases, private in bases) == (True, True, False)
    assert bases[public] == {"id": public, "name": f"The {public}", "description": "About it."}

    made = await post(alice, path, **BODY, name="new", knowledgeBases=[public, own])
    asked = {**BODY, "name": "x", "knowledgeBases": [own, private, "no-such"]}
    refused = await alice.post(path, json=asked)
    said = f"Invalid knowledge bases: {private}, no-such"
    assert (refused.status_code, refused.json()["error"]) == (400, said)
    assert refused.headers["X-Error-Code"] == "unknown_knowledge_bases"
    refused = await alice.put(f"{path}/{made['id']}", json={"knowledgeBases": [private]})
    assert (refused.status_code, refused.json()["error"]) == (400, f"Invalid knowledge bases: {private}")
    kept = await alice.put(f"{path}/{unchecked['id']}", json={"knowledgeBases": [old, public]})
    assert kept.status_code == 200, "what it had stays"

    await tell(bus, public, deleted=True, revision=2)
    await until_offered(alice, public, offers=False)
    refused = await alice.post(path, json={**BODY, "name": "y", "knowledgeBases": [public]})
    assert refused.json()["error"] == f"Invalid knowledge bases: {public}"


async def test_many_bases_are_listed_by_id_and_a_hostile_fact_is_a_dead_letter(
    alice: httpx.AsyncClient, bus: Redis
) -> None:
    prefix = f"many-{uuid4()}"
    await tell(bus, f"{prefix}-hostile", name="a\u0000b")
    for number in range(205):
        await tell(bus, f"{prefix}-{number:03}")
    await until_offered(alice, f"{prefix}-204")
    ids = [id for id in await offered(alice) if id.startswith(prefix)]
    assert ids == [f"{prefix}-{number:03}" for number in range(205)]

    async def letter() -> bool:
        letters: Any = await bus.xrange("knowledge.events.dead")
        return any(fields["subject"] == f"{prefix}-hostile" for _, fields in letters)

    await eventually(letter)


def told(id: str = "b", **fields: Any) -> ToldBase:
    return told_base(BaseUpdated.model_validate(fact(id, **fields)))


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "\u0000"},
        {"name": "\ud800"},
        {"name": "n" * 10_001},
        {"ownerId": "o" * 256},
        {"description": "\u0000"},
    ],
)
def test_a_fact_that_cannot_be_stored_is_invalid(fields: dict[str, Any]) -> None:
    data = BaseUpdated.model_construct(**{**told_fields(), **fields_of(fields)})
    with pytest.raises(Invalid):
        told_base(data)


def told_fields() -> dict[str, Any]:
    return dict(BaseUpdated.model_validate(fact("b")))


def fields_of(wire: dict[str, Any]) -> dict[str, Any]:
    return {"owner_id" if name == "ownerId" else name: value for name, value in wire.items()}


def test_a_fact_of_an_earlier_release_is_of_a_public_base_unless_it_has_an_owner() -> None:
    assert told(public=None).public
    assert not told(public=None, ownerId="ann").public
    gone = told(public=False, ownerId="ann", deleted=True)
    assert (gone.name, gone.description, gone.owner, gone.public) == ("", "", None, False)


async def test_an_older_fact_changes_nothing_and_one_without_a_description_leaves_it(pool: Pool) -> None:
    async def names(base: ToldBase) -> list[tuple[str, str]]:
        async with transaction(pool) as connection:
            await keep_base(connection, base, None, NOW)
            listed = await repository.list_visible(connection, "ann", "", 10)
        return [(each.name, each.description) for each in listed]

    assert await names(told(name="two", revision=2)) == [("two", "About it.")]
    assert await names(told(name="one", revision=1)) == [("two", "About it.")]
    assert await names(told(name="old", revision=None, description=None)) == [("old", "About it.")]
    assert await names(told(deleted=True, revision=3)) == []
    assert await names(told(name="two", revision=2)) == [], (
        "a deleted base doesn't come back by an older fact"
    )
    assert await names(told(name="again", revision=4)) == [("again", "About it.")]


async def test_what_was_told_before_an_erasure_is_not_stored_after_it(pool: Pool) -> None:
    private = told(public=False, ownerId="ann")
    async with transaction(pool) as connection:
        erasure = await erasures.request(connection, "ann")
        await insert_subjects(connection, erasure, ["gone"])
    async with transaction(pool) as connection:
        for base, at in ((private, NOW - timedelta(days=1)), (told("gone"), NOW + timedelta(days=1))):
            await keep_base(connection, base, base.owner, at)
        assert await repository.list_visible(connection, "ann", "", 10) == []
        await keep_base(connection, private, "ann", datetime.now(UTC) + timedelta(hours=1))
        assert len(await repository.list_visible(connection, "ann", "", 10)) == 1, "the user began anew"


async def test_rows_of_deleted_bases_are_forgotten_after_a_while(pool: Pool) -> None:
    async with transaction(pool) as connection:
        for id in ("a", "b", "c"):
            await repository.upsert_base(connection, told(id, deleted=id != "c"))
        await connection.execute(
            "UPDATE chat_knowledge_bases SET deleted_at = deleted_at - interval '31 days'"
        )
        assert [await repository.delete_forgotten(connection, 30, 1) for _ in range(3)] == [1, 1, 0]
        assert (await repository.find_visible(connection, "ann", ["c"])).visible == {"c"}


def test_chat_takes_facts_about_bases_alone() -> None:
    assert list(create_knowledge_facts_router().routes) == [BaseUpdated.type]
