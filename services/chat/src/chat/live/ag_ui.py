"""A conversation in the events of the AG-UI protocol (https://docs.ag-ui.com). No I/O.

A message is told as a whole, so its text is one piece. Whatever the protocol has no event for comes as
``CUSTOM`` with the type of the fact as its name.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ag_ui.core import (
    AssistantMessage,
    BaseEvent,
    CustomEvent,
    FunctionCall,
    MessagesSnapshotEvent,
    StateSnapshotEvent,
    SystemMessage,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    ToolCall,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
    ToolMessage,
    UserMessage,
)
from ag_ui.core import Message as AgUiMessage

from chat.messages.records import Message
from common import codec
from contracts import chat as contracts

MESSAGES_CHANGED = frozenset(
    {contracts.MessageRedacted.type, contracts.MessageReplaced.type, contracts.ConversationForked.type}
)
"""Facts after which the messages are sent anew."""
STATE_CHANGED = frozenset({contracts.LargeStateChanged.type})
"""Facts after which the state is sent anew: a merge patch is no JSON patch."""


def events_of(type: str, data: Mapping[str, Any]) -> list[BaseEvent]:
    """The events for one fact, in order; none for :data:`MESSAGES_CHANGED` and :data:`STATE_CHANGED`."""
    if type == contracts.MessageAppended.type:
        return _events_of_message(data)
    if type == contracts.StateChanged.type:
        return [StateSnapshotEvent(snapshot=data["state"])]
    if type in MESSAGES_CHANGED | STATE_CHANGED:
        return []
    return [CustomEvent(name=type, value=dict(data))]


def snapshots(state: Any, messages: Sequence[Message]) -> list[BaseEvent]:
    """A whole conversation: its state, and its newest messages in their order."""
    return [StateSnapshotEvent(snapshot=state), messages_snapshot(messages)]


def messages_snapshot(messages: Iterable[Message]) -> MessagesSnapshotEvent:
    """The messages in their order. Results that an assistant's message holds follow it as tool messages."""
    return MessagesSnapshotEvent(messages=[each for message in messages for each in _messages_of(message)])


def _events_of_message(data: Mapping[str, Any]) -> list[BaseEvent]:
    id, role, content = str(data["messageId"]), data["role"], data["content"]
    calls, results = _calls(id, data.get("toolCalls")), _results(id, data.get("toolResults"))
    if role == "tool":
        results = results or [(id, id, content)]
        content = ""
    events: list[BaseEvent] = []
    if content or not (calls or results):
        events.append(TextMessageStartEvent(message_id=id, role=_role(role)))
        if content:
            events.append(TextMessageContentEvent(message_id=id, delta=content))
        events.append(TextMessageEndEvent(message_id=id))
    for call in calls:
        events.append(
            ToolCallStartEvent(tool_call_id=call.id, tool_call_name=call.function.name, parent_message_id=id)
        )
        events.append(ToolCallArgsEvent(tool_call_id=call.id, delta=call.function.arguments))
        events.append(ToolCallEndEvent(tool_call_id=call.id))
    for result_id, call_id, result in results:
        events.append(ToolCallResultEvent(message_id=result_id, tool_call_id=call_id, content=result))
    return events


def _messages_of(message: Message) -> list[AgUiMessage]:
    id = str(message.id)
    calls = _calls(id, _decoded(message.tool_calls))
    results = _results(id, _decoded(message.tool_results))
    told: list[AgUiMessage] = []
    if message.role == "tool":
        results = results or [(id, id, message.content)]
    elif message.role == "assistant":
        told.append(AssistantMessage(id=id, content=message.content, tool_calls=calls or None))
    elif message.role == "system":
        told.append(SystemMessage(id=id, content=message.content))
    else:
        told.append(UserMessage(id=id, content=message.content))
    told += [ToolMessage(id=at, tool_call_id=call, content=content) for at, call, content in results]
    return told


def _role(role: str) -> Any:
    return role if role in ("user", "assistant", "system") else "assistant"


def _calls(message_id: str, calls: Any) -> list[ToolCall]:
    """What agents store of a call: ``{id?, name, input}``; ``arguments`` or ``args`` for the last."""
    found = []
    for place, call in enumerate(calls if isinstance(calls, list) else ()):
        if isinstance(call, Mapping) and isinstance(call.get("name"), str):
            given: Any = next((call[name] for name in ("input", "arguments", "args") if name in call), {})
            function = FunctionCall(name=call["name"], arguments=_text(given))
            found.append(ToolCall(id=_id(call, f"{message_id}:{place}"), function=function))
    return found


def _results(message_id: str, results: Any) -> list[tuple[str, str, str]]:
    """Id of the tool message, id of the call, content. Agents store ``{id or toolCallId, result}``."""
    if isinstance(results, Mapping):
        results = [results]
    found = []
    for place, result in enumerate(results if isinstance(results, list) else ()):
        own, content = f"{message_id}:result:{place}", result
        call = f"{message_id}:{place}"
        if isinstance(result, Mapping):
            call = _id(result, call)
            content = result.get("result", result)
        found.append((own, call, _text(content)))
    return found


def _id(value: Mapping[str, Any], otherwise: str) -> str:
    return next(
        (str(value[name]) for name in ("toolCallId", "tool_call_id", "id") if value.get(name)), otherwise
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else codec.dumps_str(value)


def _decoded(value: str | None) -> Any:
    return None if value is None else codec.loads(value)
