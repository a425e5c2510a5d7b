"""A conversation in the events of the AG-UI protocol, read back with the protocol's own types."""

from typing import Any

import pytest
from ag_ui.core import Event, EventType
from pydantic import TypeAdapter

from chat.live.ag_ui import MESSAGES_CHANGED, STATE_CHANGED, events_of, snapshots
from chat.messages.records import Message
from contracts import chat as contracts

EVENTS: TypeAdapter[Any] = TypeAdapter(Event)


def told(type: str, **data: Any) -> list[Any]:
    return [EVENTS.validate_json(each.model_dump_json(by_alias=True)) for each in events_of(type, data)]


def appended(role: str, content: str = "", **data: Any) -> list[Any]:
    return told("chat.message.appended.v1", messageId="m", role=role, content=content, **data)


def message(role: str, content: str, calls: str | None = None, results: str | None = None) -> Message:
    at = "2026-11-28T12:00:00.000000Z"
    return Message("m", role, content, calls, results, None, None, None, at, 1, None, None)


def types(events: list[Any]) -> list[str]:
    return [event.type.value for event in events]


@pytest.mark.parametrize("role", ["user", "assistant", "system"])
def test_a_message_is_a_text(role: str) -> None:
    start, content, end = appended(role, "hi")
    assert (start.type, start.role, start.message_id) == (EventType.TEXT_MESSAGE_START, role, "m")
    assert (content.type, content.delta) == (EventType.TEXT_MESSAGE_CONTENT, "hi")
    assert end.type == EventType.TEXT_MESSAGE_END


def test_an_empty_message_has_no_content() -> None:
    assert types(appended("user")) == ["TEXT_MESSAGE_START", "TEXT_MESSAGE_END"]


def test_calls_come_with_their_arguments_and_results() -> None:
    calls = [{"id": "c", "name": "search", "input": {"q": "x"}}, {"name": "list"}, "odd", {"name": 7}]
    results = [{"id": "c", "result": {"found": 1}}, {"toolCallId": "m:1", "result": "none"}]
    events = appended("assistant", toolCalls=calls, toolResults=results)
    assert types(events) == [
        *("TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END") * 2,
        *["TOOL_CALL_RESULT"] * 2,
    ]
    assert [(e.tool_call_id, e.tool_call_name, e.parent_message_id) for e in events[:6:3]] == [
        ("c", "search", "m"),
        ("m:1", "list", "m"),
    ]
    assert [e.delta for e in events[1:6:3]] == ['{"q":"x"}', "{}"]
    assert [(e.tool_call_id, e.content) for e in events[6:]] == [("c", '{"found":1}'), ("m:1", "none")]


def test_a_tools_message_is_a_result() -> None:
    (result,) = appended("tool", "42")
    assert (result.type, result.content) == (EventType.TOOL_CALL_RESULT, "42")


def test_a_state_is_sent_whole() -> None:
    (snapshot,) = told("chat.conversation.state_changed.v1", state={"a": None}, version=2)
    assert snapshot.snapshot == {"a": None}


@pytest.mark.parametrize("fact", contracts.FACTS, ids=lambda fact: fact.type)
def test_every_other_fact_is_a_custom_event_or_a_new_snapshot(fact: type[contracts.MessageAppended]) -> None:
    if fact in (contracts.MessageAppended, contracts.StateChanged):
        return
    events = told(fact.type, title="x")
    if fact.type in MESSAGES_CHANGED | STATE_CHANGED:
        assert events == []
    else:
        assert [(each.name, each.value) for each in events] == [(fact.type, {"title": "x"})]


def test_a_snapshot_has_what_the_events_would_have_made() -> None:
    call, result = '[{"id":"c","name":"search","input":{"q":"x"}}]', '[{"id":"c","result":"none"}]'
    messages = [
        message("system", "be kind"),
        message("user", "hi"),
        message("assistant", "", call, result),
        message("tool", "42"),
    ]
    state, listed = (
        EVENTS.validate_json(each.model_dump_json(by_alias=True)) for each in snapshots({"a": 1}, messages)
    )
    assert state.snapshot == {"a": 1}
    assert [each.role for each in listed.messages] == ["system", "user", "assistant", "tool", "tool"]
    assert listed.messages[2].tool_calls[0].function.arguments == '{"q":"x"}'
    assert (listed.messages[3].tool_call_id, listed.messages[3].content) == ("c", "none")
