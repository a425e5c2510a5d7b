"""The session of a conversation: made once, and only for its owner."""

import asyncio
from uuid import uuid4

from common.postgres import Pool, transaction
from tests.integration.cockpit.conftest import Cockpit, Converse, open_cockpit
from tests.support.services import Service
from tests.support.wait import eventually

PATHS = (
    ("POST", "mock-server/start", None),
    ("POST", "mock-server/stop", None),
    ("GET", "mock-server/status", None),
    ("POST", "mock-server/command", {"command": "version"}),
    ("GET", "players", None),
    ("POST", "select-player", {"playerId": None}),
    ("GET", "events", None),
)


async def test_a_new_session_is_stopped_and_has_the_existing_shape(
    cockpit: Service, converse: Converse
) -> None:
    conversation = await converse("ann")
    async with cockpit.client("ann") as client:
        session = (await client.get(f"/api/cockpit/sessions/{conversation}")).json()["data"]
        again = (await client.get(f"/api/cockpit/sessions/{conversation}")).json()["data"]
    assert set(session) == {
        "id", "conversationId", "userId", "mockServerGameServerId", "mockServerStatus", "selectedPlayerId",
        "createdAt", "updatedAt",
    }  # fmt: skip
    assert session["conversationId"] == str(conversation)
    assert session["userId"] == "ann"
    assert session["mockServerStatus"] == "stopped"
    assert session["mockServerGameServerId"] is None
    assert session["selectedPlayerId"] is None
    assert again == session


async def test_concurrent_first_reads_give_one_session(
    cockpit: Service, converse: Converse, pool: Pool
) -> None:
    async with cockpit.client("ann") as client:
        for _ in range(5):
            conversation = await converse("ann")
            answers = await asyncio.gather(
                *(client.get(f"/api/cockpit/sessions/{conversation}") for _ in range(8))
            )
            assert [answer.status_code for answer in answers] == [200] * 8
            assert len({answer.json()["data"]["id"] for answer in answers}) == 1
    assert await pool.fetchval("SELECT count(*) FROM cockpit_sessions") == 5


async def test_a_first_read_during_a_deletion_finds_no_conversation(
    cockpit: Service, converse: Converse, pool: Pool
) -> None:
    conversation = await converse("ann")
    async with cockpit.client("ann") as client:
        async with transaction(pool) as connection:
            await connection.execute("DELETE FROM conversations WHERE id = $1", conversation)
            reading = asyncio.create_task(client.get(f"/api/cockpit/sessions/{conversation}"))
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            await eventually(lambda: pool.fetchval(waiting))
        answer = await reading
    assert answer.status_code == 404
    assert answer.json() == {"error": "Conversation not found"}


async def test_a_session_that_the_node_application_made_is_used(
    cockpit: Service, converse: Converse, pool: Pool
) -> None:
    conversation = await converse("ann")
    # What knex sends for `db("cockpit_sessions").insert({conversation_id, user_id}).returning("*")`.
    made = await pool.fetchrow(
        'insert into "cockpit_sessions" ("conversation_id", "user_id") values ($1, $2) returning *',
        conversation,
        "ann",
    )
    assert made is not None
    async with cockpit.client("ann") as client:
        session = await open_cockpit(client, conversation)
        assert session.session_id == str(made["id"])
        assert (await session.start())["status"] == "running"


async def test_the_conversation_must_exist_and_be_the_callers(cockpit: Service, converse: Converse) -> None:
    conversation = await converse("ann")
    async with cockpit.client("ben") as ben, cockpit.client("") as nobody:
        unknown = await ben.get(f"/api/cockpit/sessions/{uuid4()}")
        assert (unknown.status_code, unknown.json()) == (404, {"error": "Conversation not found"})
        others = await ben.get(f"/api/cockpit/sessions/{conversation}")
        assert (others.status_code, others.json()) == (403, {"error": "Forbidden"})
        unnamed = await nobody.get(f"/api/cockpit/sessions/{conversation}")
        assert (unnamed.status_code, unnamed.json()) == (401, {"error": "Not authenticated"})
        malformed = await ben.get("/api/cockpit/sessions/not-a-uuid")
        assert malformed.status_code == 400
        assert malformed.json()["error"] == "Validation failed"


async def test_every_path_of_a_session_knows_its_owner(cockpit: Service, ann: Cockpit) -> None:
    async with cockpit.client("ben") as ben, cockpit.client("") as nobody:
        for method, path, body in PATHS:
            mine = f"/api/cockpit/sessions/{ann.session_id}/{path}"
            forbidden = await ben.request(method, mine, json=body)
            assert (forbidden.status_code, forbidden.json()) == (403, {"error": "Forbidden"}), path
            assert (await nobody.request(method, mine, json=body)).status_code == 401, path
            unknown = await ben.request(method, f"/api/cockpit/sessions/{uuid4()}/{path}", json=body)
            assert (unknown.status_code, unknown.json()) == (404, {"error": "Session not found"}), path
            assert (
                await ben.request(method, f"/api/cockpit/sessions/1/{path}", json=body)
            ).status_code == 400


async def test_a_player_is_selected_and_unselected(ann: Cockpit) -> None:
    await ann.start()
    players = (await ann.get("players"))["players"]
    assert await ann.post("select-player", {"playerId": players[3]["id"]}) == {
        "selectedPlayerId": players[3]["id"]
    }
    assert (await ann.get("players"))["selectedPlayerId"] == players[3]["id"]
    assert await ann.post("select-player", {"playerId": None}) == {"selectedPlayerId": None}
    assert (await ann.get("players"))["selectedPlayerId"] is None


async def test_an_unknown_player_is_not_selected(ann: Cockpit) -> None:
    await ann.start()
    before = (await ann.get("players"))["selectedPlayerId"]
    await ann.post("select-player", {"playerId": "nobody"}, status=404)
    assert (await ann.get("players"))["selectedPlayerId"] == before


async def test_a_selection_that_is_none_is_refused(ann: Cockpit) -> None:
    bodies: list[object] = [*({"playerId": bad} for bad in (7, "", "x" * 256, "\0")), {}, [], None]
    for body in bodies:
        await ann.post("select-player", body, status=400)
