"""What turns show as runs of the AG-UI protocol: no message and no call twice, and none left open."""

from typing import Any
from uuid import UUID

import pytest
from ag_ui.core import BaseEvent

from chat.live.ag_ui_runs import Runs
from chat.live.records import LiveTurn
from chat.turn_streams.records import Piece
from common import codec

TURN = LiveTurn(UUID(int=1), 1)
OWN = str(TURN.id)
CALL = {"id": "c", "name": "find"}


def started() -> Runs:
    runs = Runs("conversation")
    runs.start(TURN)
    return runs


def show(runs: Runs, type: str, **more: Any) -> list[BaseEvent]:
    number = runs.last + 1
    return runs.show(Piece(number, type, codec.dumps_str({"number": number, "type": type, **more})))


def append(runs: Runs, id: str, content: str, role: str = "assistant", **more: Any) -> list[str]:
    return types(runs.append({"messageId": id, "role": role, "content": content, **more}))


def types(events: list[BaseEvent]) -> list[str]:
    return [str(event.type.value) for event in events]


def test_another_message_ends_the_one_before() -> None:
    runs = started()
    show(runs, "text", content="a")
    events = show(runs, "text", content="b", messageId="m")
    assert types(events) == ["TEXT_MESSAGE_END", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT"]
    assert append(runs, OWN, "a") == []
    assert append(runs, "m", "b") == ["TEXT_MESSAGE_END"]


def test_a_message_that_was_shown_is_known_by_its_text_too() -> None:
    runs = started()
    show(runs, "text", content="a")
    show(runs, "text", content="b")
    assert append(runs, "other", "ab") == ["TEXT_MESSAGE_END"]
    assert append(runs, "again", "ab") == ["TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"]


def test_a_call_that_was_shown_isnt_told_with_its_message() -> None:
    runs = started()
    show(runs, "tool_use", input={}, **CALL)
    show(runs, "tool_result", result={"success": True}, **CALL)
    calls = [{**CALL, "input": {}}, {"id": "d", "name": "list"}]
    results = [{"id": "c", "result": 1}, {"id": "d", "result": 2}]
    assert append(runs, OWN, "", toolCalls=calls, toolResults=results) == [
        *("TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "TOOL_CALL_RESULT")
    ]
    assert show(runs, "tool_use", input={}, **CALL) == []


def test_a_users_message_in_between_leaves_it_open() -> None:
    runs = started()
    show(runs, "text", content="a")
    assert append(runs, "u", "a", role="user")[0] == "TEXT_MESSAGE_START"
    assert types(show(runs, "text", content="b")) == ["TEXT_MESSAGE_CONTENT"]


def test_who_reads_again_is_told_what_isnt_stored_yet() -> None:
    runs = started()
    show(runs, "text", content="a")
    runs.read_again({OWN})
    runs.last = 0
    assert show(runs, "text", content="a") == []
    assert types(show(runs, "text", content="b", messageId="m")) == [
        *("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT")
    ]


@pytest.mark.parametrize("how", ["finished", "failed", "cancelled", "interrupted"])
def test_the_end_of_a_turn_is_that_of_the_run(how: str) -> None:
    runs = started()
    show(runs, "text", content="a")
    ended, event = runs.end(f"chat.turn.{how}.v1", TURN, {"error": "away"} if how == "failed" else {})
    assert ended.type.value == "TEXT_MESSAGE_END"
    if how == "finished":
        assert event.type.value == "RUN_FINISHED"
    else:
        assert (event.type.value, getattr(event, "code", None)) == ("RUN_ERROR", f"turn_{how}")
    assert runs.end(f"chat.turn.{how}.v1", TURN, {}) == []
