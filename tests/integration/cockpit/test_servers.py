"""A user's mock game server over HTTP."""

import asyncio
from typing import Any
from uuid import UUID

from common.postgres import Pool
from tests.integration.cockpit.conftest import Cockpit, Converse, open_cockpit
from tests.support.services import Service


async def test_a_server_starts_runs_commands_and_stops(ann: Cockpit) -> None:
    assert await ann.status() == {"status": "stopped", "gameServerId": None, "playerCount": 0, "reason": None}
    started = await ann.start()
    assert started["status"] == "running"
    assert started["playerCount"] == 5
    assert UUID(started["gameServerId"])
    assert await ann.status() == started
    assert await ann.start() == started
    version = await ann.run("version")
    assert version["success"] is True
    assert "mock" in version["result"]
    assert await ann.stop() == {"status": "stopped", "gameServerId": None, "playerCount": 0, "reason": None}
    assert (await ann.status())["status"] == "stopped"
    assert (await ann.stop())["status"] == "stopped"


async def test_the_columns_that_other_programs_read_say_the_same(ann: Cockpit, pool: Pool) -> None:
    row = "SELECT mock_server_status, mock_server_game_server_id, selected_player_id FROM cockpit_sessions"
    started = await ann.start()
    running = await pool.fetchrow(row)
    assert running is not None
    assert running["mock_server_status"] == "running"
    assert running["mock_server_game_server_id"] == started["gameServerId"]
    await ann.stop()
    stopped = await pool.fetchrow(row)
    assert stopped is not None
    assert (stopped["mock_server_status"], stopped["mock_server_game_server_id"]) == ("stopped", None)


async def test_five_players_with_stable_names_and_the_first_selected(ann: Cockpit) -> None:
    assert await ann.get("players") == {"players": [], "selectedPlayerId": None}
    await ann.start()
    first = await ann.get("players")
    assert len(first["players"]) == 5
    assert all({"id", "name", "gameId"} <= set(player) for player in first["players"])
    assert first["selectedPlayerId"] == first["players"][0]["id"]
    await ann.stop()
    await ann.start()
    assert await ann.get("players") == first


async def test_players_are_read_in_pages(ann: Cockpit) -> None:
    await ann.start()
    path = f"/api/cockpit/sessions/{ann.session_id}/players"
    everybody = (await ann.get("players"))["players"]
    for order, expected in (("asc", everybody), ("desc", everybody[::-1])):
        read: list[Any] = []
        params: dict[str, Any] = {"limit": 2, "order": order}
        while params.get("cursor", "first"):
            answer = (await ann.client.get(path, params=params)).json()
            assert answer["data"]["selectedPlayerId"] == everybody[0]["id"]
            read += answer["data"]["players"]
            params["cursor"] = answer["meta"]["nextCursor"]
        assert read == expected
    first = (await ann.client.get(path, params={"limit": 2})).json()["meta"]["nextCursor"]
    for wrong in ({"cursor": "x"}, {"cursor": first, "order": "desc"}, {"limit": 0}):
        assert (await ann.client.get(path, params=wrong)).status_code == 400, wrong


async def test_what_the_console_does_shows_in_status_and_players(ann: Cockpit) -> None:
    await ann.start()
    assert (await ann.run("ban 2 griefing"))["success"]
    assert (await ann.run("disconnectPlayer 3"))["success"]
    assert (await ann.status())["playerCount"] == 3
    online = {one["gameId"]: one["online"] for one in (await ann.get("players"))["players"]}
    assert online == {"1": True, "2": False, "3": False, "4": True, "5": True}
    assert not (await ann.run("connectPlayer 2"))["success"]
    assert not (await ann.run("dance"))["success"]


async def test_a_command_needs_a_running_server(ann: Cockpit) -> None:
    await ann.post("mock-server/command", {"command": "version"}, status=409)
    await ann.start()
    await ann.stop()
    answer = await ann.client.post(
        f"/api/cockpit/sessions/{ann.session_id}/mock-server/command", json={"command": "version"}
    )
    assert (answer.status_code, answer.json()) == (409, {"error": "Mock server not running"})


async def test_a_command_that_is_none_is_refused(ann: Cockpit) -> None:
    await ann.start()
    for command in ("", "   ", "x" * 1001, "say \0", None, 7):
        await ann.post("mock-server/command", {"command": command}, status=400)
    bodies: list[object] = [{}, [], None]
    for body in bodies:
        await ann.post("mock-server/command", body, status=400)
    assert (await ann.run("say " + "x" * 996))["success"]


async def test_the_server_moves_to_a_second_session(
    cockpit: Service, ann: Cockpit, converse: Converse, pool: Pool
) -> None:
    second = await open_cockpit(ann.client, await converse("ann"))
    started = await ann.start()
    await ann.run("kick 1 out")
    moved = await second.start()
    assert moved == {**started, "playerCount": 4}
    assert await ann.status() == {"status": "stopped", "gameServerId": None, "playerCount": 0, "reason": None}
    await ann.post("mock-server/command", {"command": "version"}, status=409)
    assert (await second.run("connectPlayer 1"))["success"]
    assert (await ann.stop())["status"] == "stopped"
    assert (await second.status())["status"] == "running"
    assert (await second.get("players"))["selectedPlayerId"] is not None


async def test_concurrent_starts_leave_one_session_running(
    ann: Cockpit, converse: Converse, pool: Pool
) -> None:
    tabs = [ann, *[await open_cockpit(ann.client, await converse("ann")) for _ in range(4)]]
    for _ in range(3):
        answers = await asyncio.gather(*(tab.start() for tab in tabs))
        assert all(answer["status"] == "running" for answer in answers)
        running = [tab for tab in tabs if (await tab.status())["status"] == "running"]
        assert len(running) == 1
        assert (await running[0].run("version"))["success"]


async def test_two_users_have_servers_of_their_own(
    cockpit: Service, ann: Cockpit, converse: Converse
) -> None:
    async with cockpit.client("ben") as client:
        ben = await open_cockpit(client, await converse("ben"))
        anns, bens = await ann.start(), await ben.start()
        assert anns["gameServerId"] != bens["gameServerId"]
        await ben.stop()
        assert (await ann.status())["status"] == "running"


async def test_concurrent_commands_all_count(ann: Cockpit) -> None:
    await ann.start()
    await asyncio.gather(*(ann.run(f"say {number}") for number in range(20)))
    results = await asyncio.gather(*(ann.run("disconnectPlayer 1") for _ in range(5)))
    assert sum(result["success"] for result in results) == 1


async def test_a_status_left_by_a_process_that_died_reads_as_stopped(ann: Cockpit, pool: Pool) -> None:
    """The Node application kept servers in memory: after a crash its rows say running, and nothing runs."""
    await pool.execute(
        "UPDATE cockpit_sessions SET mock_server_status = 'running', mock_server_game_server_id = 'gone'"
    )
    assert await ann.status() == {"status": "stopped", "gameServerId": None, "playerCount": 0, "reason": None}
    await ann.stop()
    assert await pool.fetchval("SELECT mock_server_status FROM cockpit_sessions") == "stopped"
    assert (await ann.start())["status"] == "running"
