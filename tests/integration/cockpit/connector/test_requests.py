"""Takaro's requests are answered by the game, several at a time."""

import asyncio

import pytest

from takaro_connector_suite.takaro import RequestFailed, Takaro
from tests.integration.cockpit.conftest import Converse, open_tab
from tests.integration.cockpit.connector.conftest import IDENTITY, Start, connected, user_of
from tests.support.wait import eventually


async def test_requests_change_the_game_and_the_session_sees_it(
    start: Start, takaro: Takaro, converse: Converse
) -> None:
    service = await start()
    async with user_of(service, converse) as ann, open_tab(service, "ann", ann.session_id) as tab:
        game = await connected(takaro, ann)
        assert len(await game.ask("getPlayers")) == 5
        assert await game.ask("sendMessage", {"message": "hi", "opts": {}}) is None
        await eventually(lambda: "chat-message" in tab.names(), timeout=20)
        await game.ask("kickPlayer", {"player": {"gameId": "1"}, "reason": "afk"})
        assert (await ann.status())["playerCount"] == 4
        answer = await game.ask("executeConsoleCommand", {"command": "nonsense"})
        assert answer["success"] is False
        with pytest.raises(RequestFailed, match="Unknown action"):
            await game.ask("fly")
        with pytest.raises(RequestFailed, match="Bad arguments"):
            await game.ask("giveItem", {"player": {"gameId": "1"}, "item": "a\x00b", "amount": 1})
        await eventually(lambda: takaro.events_of(IDENTITY)[-1].type == "player-disconnected", timeout=20)


async def test_fifty_requests_in_flight_are_all_carried_out_once(
    start: Start, takaro: Takaro, converse: Converse
) -> None:
    service = await start()
    async with user_of(service, converse) as ann:
        game = await connected(takaro, ann)
        wood = {"player": {"gameId": "2"}, "item": "wood", "amount": 1}
        await asyncio.gather(
            *(game.ask("giveItem", wood) for _ in range(25)), *(game.ask("getPlayers") for _ in range(25))
        )
        inventory = await game.ask("getPlayerInventory", {"gameId": "2"})
        assert [(item["code"], item["amount"]) for item in inventory] == [("wood", 25)]


async def test_pings_of_both_kinds_are_answered(start: Start, takaro: Takaro, converse: Converse) -> None:
    service = await start()
    async with user_of(service, converse) as ann:
        game = await connected(takaro, ann)
        await game.send({"type": "ping"})
        await eventually(lambda: game.heartbeats == 1, timeout=10)
        async with asyncio.timeout(10):
            await (await game.socket.ping())
