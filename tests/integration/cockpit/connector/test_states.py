"""A server that connects is starting until Takaro named it, and stopping until its socket is closed."""

from common.postgres import Pool
from takaro_connector_suite.takaro import Takaro
from tests.integration.cockpit.conftest import Cockpit, Converse, Streams, open_tab
from tests.integration.cockpit.connector.conftest import IDENTITY, TOKEN, Start, connected, is_status, user_of
from tests.support.wait import eventually


async def test_a_start_is_complete_once_takaro_has_named_the_server(
    start: Start, takaro: Takaro, converse: Converse, streams: Streams
) -> None:
    service = await start()
    takaro.slow = 0.5
    async with user_of(service, converse) as ann:
        assert await ann.start() == {
            "status": "starting",
            "gameServerId": None,
            "playerCount": 5,
            "reason": None,
        }
        running = await is_status(ann, "running")
        assert running["gameServerId"] == takaro.game_server_id(IDENTITY)
        assert takaro.identities == [
            {"identityToken": IDENTITY, "registrationToken": TOKEN, "name": "AI-Cockpit-ann"}
        ]
        await ann.stop()
        await is_status(ann, "stopped")
        assert not takaro.open_games()

        async def changes() -> bool:
            facts = await streams.facts("cockpit.server.status_changed.v1")
            return [
                (f["data"]["status"], f["data"]["previousStatus"], f["data"]["reason"])
                for f in facts
                if f["data"]["conversationId"] == str(ann.conversation_id)
            ] == [
                ("starting", "stopped", "starting"),
                ("running", "starting", "started"),
                ("stopping", "running", "stopping"),
                ("stopped", "stopping", "stopped"),
            ]

        await eventually(changes, timeout=20)


async def test_a_refusal_is_an_error_with_its_reason_and_start_can_be_tried_again(
    start: Start, takaro: Takaro, converse: Converse
) -> None:
    service = await start()
    takaro.refusal = f"Invalid registrationToken {TOKEN} provided"
    async with user_of(service, converse) as ann:
        await ann.start()
        failed = await is_status(ann, "error")
        assert failed["reason"] == "Invalid registrationToken [token] provided"
        assert failed["gameServerId"] is None
        await ann.post("mock-server/command", {"command": "version"}, status=409)
        takaro.refusal = None
        await ann.start()
        assert (await is_status(ann, "running"))["reason"] is None
    assert TOKEN not in service.log_file.read_text()


async def test_a_server_that_takaro_does_not_name_in_time_is_an_error(
    start: Start, takaro: Takaro, converse: Converse
) -> None:
    service = await start(TAKARO_START_TIMEOUT_SECONDS="1")
    takaro.names = False
    async with user_of(service, converse) as ann:
        await ann.start()
        assert "named no game server within 1 seconds" in (await is_status(ann, "error"))["reason"]


async def test_a_stop_arrives_with_the_last_events(start: Start, takaro: Takaro, converse: Converse) -> None:
    service = await start()
    async with user_of(service, converse) as ann:
        await connected(takaro, ann)
        await ann.stop()
        await is_status(ann, "stopped")
        types = [event.type for event in takaro.events_of(IDENTITY)]
        assert types == ["player-connected"] * 5 + ["player-disconnected"] * 5


async def test_a_start_during_a_stop_ends_running(start: Start, takaro: Takaro, converse: Converse) -> None:
    service = await start()
    async with user_of(service, converse) as ann:
        for _ in range(5):
            await connected(takaro, ann)
            await ann.stop()
            await ann.start()
            await is_status(ann, "running")
            assert len(takaro.open_games(IDENTITY)) == 1


async def test_takaro_can_shut_the_server_down(start: Start, takaro: Takaro, converse: Converse) -> None:
    service = await start()
    async with user_of(service, converse) as ann, open_tab(service, "ann", ann.session_id) as tab:
        game = await connected(takaro, ann)
        assert await game.ask("shutdown") is None
        await is_status(ann, "stopped")
        await eventually(lambda: game.closed)
        await eventually(lambda: "shutdown" in [status["reason"] for status in tab.of("status")], timeout=10)


async def test_a_stuck_state_is_resolved_by_a_process_that_connects_nothing(
    cockpit: object, ann: Cockpit, pool: Pool
) -> None:
    await ann.start()
    await pool.execute(
        "INSERT INTO cockpit_connections (user_id, lease) VALUES ('ann', 'cockpit.connection:test')"
    )
    age = "status_since = now() - interval '1 hour'"
    await pool.execute(f"UPDATE cockpit_game_servers SET connects = true, status = 'stopping', {age}")
    await is_status(ann, "stopped")
    await ann.start()
    await pool.execute("UPDATE cockpit_connections SET wanted = true")
    await pool.execute(f"UPDATE cockpit_game_servers SET connects = true, status = 'starting', {age}")
    assert "named no game server" in (await is_status(ann, "error"))["reason"]
    await ann.stop()
    await is_status(ann, "stopped")


async def test_a_server_moves_with_its_connection(start: Start, takaro: Takaro, converse: Converse) -> None:
    service = await start()
    async with user_of(service, converse) as ann, user_of(service, converse) as other:
        game = await connected(takaro, ann)
        moved = await other.start()
        assert (moved["status"], moved["gameServerId"]) == ("running", takaro.game_server_id(IDENTITY))
        await other.run("say here")
        await eventually(lambda: takaro.events_of(IDENTITY)[-1].data.get("msg") == "here")
        assert takaro.open_games() == [game]
        assert (await ann.status())["status"] == "stopped"


STOPPING = """
UPDATE cockpit_game_servers SET status = 'stopping', state = jsonb_set(state, '{running}', 'false')
"""
STOPPED_BY_THE_RELEASE_BEFORE = "UPDATE cockpit_game_servers SET status = 'stopped' WHERE status = 'stopping'"


async def test_the_release_before_may_call_a_stopping_server_stopped(
    start: Start, takaro: Takaro, converse: Converse, pool: Pool
) -> None:
    """It knows two states, and beside this release it writes what it knows."""
    service = await start()
    async with user_of(service, converse) as ann:
        await connected(takaro, ann)
        await service.kill()
        await pool.execute(STOPPING)
        await pool.execute(STOPPED_BY_THE_RELEASE_BEFORE)
        await service.start()
        assert (await ann.status())["status"] == "stopped"
        await ann.start()
        await is_status(ann, "running")
