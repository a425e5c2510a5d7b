"""Turns as runs of the AG-UI protocol: what they show comes piece by piece, and no message is told twice.

No I/O. A message stays open until its fact comes, another one begins, or the run ends: a tool that is called
in between belongs to it.
"""

from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any

from ag_ui.core import (
    BaseEvent,
    RunErrorEvent,
    RunFinishedEvent,
    RunStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)

from chat.live.ag_ui import events_of
from chat.live.records import LiveTurn
from chat.turn_streams.records import Piece
from common import codec
from contracts import chat as contracts

_TEXTS = (TextMessageStartEvent, TextMessageContentEvent, TextMessageEndEvent)
_CALLS = (ToolCallStartEvent, ToolCallArgsEvent, ToolCallEndEvent)
_ERRORS = {
    contracts.TurnFailed.type: ("The agent failed", "turn_failed"),
    contracts.TurnCancelled.type: ("The answer was stopped", "turn_cancelled"),
    contracts.TurnInterrupted.type: ("The agent was interrupted", "turn_interrupted"),
}


class Runs:
    """The run of a conversation that goes on, as far as one reader knows it."""

    def __init__(self, conversation_id: str) -> None:
        self.conversation_id = conversation_id
        self.turn: LiveTurn | None = None
        self.last = 0
        """The number of the last piece that was told."""
        self._stored: set[str] = set()
        self._forget()

    def start(self, turn: LiveTurn) -> list[BaseEvent]:
        """A run begins, or one that began before is known from now on."""
        if turn == self.turn:
            return []
        self.turn, self.last = turn, 0
        self._forget()
        return [RunStartedEvent(thread_id=self.conversation_id, run_id=str(turn.id))]

    def read_again(self, stored: Collection[str]) -> None:
        """The reader has these messages from now on, and none besides: what the run has shown is told
        again."""
        self._forget()
        self._stored = set(stored)

    def show(self, piece: Piece) -> list[BaseEvent]:
        """A piece of the run."""
        assert self.turn is not None, "it was started"
        self.last = piece.number
        data = codec.loads(piece.data)
        message = str(data.get("messageId", self.turn.id))
        if message in self._stored:
            return []
        if piece.type == "text":
            return self._text(message, data["content"])
        if piece.type == "tool_use":
            return self._call(message, data)
        if data["id"] in self._results:
            return []
        self._results.add(data["id"])
        own, said = f"{message}:result:{data['id']}", codec.dumps_str(data["result"])
        return [ToolCallResultEvent(message_id=own, tool_call_id=data["id"], content=said)]

    def append(self, data: Mapping[str, Any]) -> list[BaseEvent]:
        """A message was appended: of what its pieces have told, only the end."""
        events = events_of(contracts.MessageAppended.type, data)
        if data["role"] == "user":
            return events
        id = str(data["messageId"])
        told = id if id in self._texts else self._with_text(str(data["content"]))
        if told is None:
            return [event for event in events if not self._is_told(event)]
        end = self._end() if told == self._open else []
        del self._texts[told]
        self._stored |= {id, told}
        return [*end, *(e for e in events if not isinstance(e, _TEXTS) and not self._is_told(e))]

    def end(self, type: str, turn: LiveTurn | None, data: Mapping[str, Any]) -> list[BaseEvent]:
        """A turn has ended; none if it isn't the one that runs."""
        if turn is None or turn != self.turn:
            return []
        events = self._end()
        self.turn = None
        if type == contracts.TurnFinished.type:
            return [*events, RunFinishedEvent(thread_id=self.conversation_id, run_id=str(turn.id))]
        said, code = _ERRORS[type]
        return [*events, RunErrorEvent(message=str(data.get("error") or said), code=code)]

    def _forget(self) -> None:
        self._open: str | None = None
        self._texts: dict[str, Any] = {}
        self._calls: set[str] = set()
        self._results: set[str] = set()

    def _text(self, message: str, content: str) -> list[BaseEvent]:
        events: list[BaseEvent] = []
        if message != self._open:
            events = [*self._end(), TextMessageStartEvent(message_id=message, role="assistant")]
            self._open = message
        self._texts.setdefault(message, sha256()).update(content.encode())
        return [*events, TextMessageContentEvent(message_id=message, delta=content)]

    def _call(self, message: str, data: Mapping[str, Any]) -> list[BaseEvent]:
        id, name, given = data["id"], data["name"], codec.dumps_str(data["input"])
        if id in self._calls:
            return []
        self._calls.add(id)
        return [
            ToolCallStartEvent(tool_call_id=id, tool_call_name=name, parent_message_id=message),
            ToolCallArgsEvent(tool_call_id=id, delta=given),
            ToolCallEndEvent(tool_call_id=id),
        ]

    def _end(self) -> list[BaseEvent]:
        if self._open is None:
            return []
        ended, self._open = self._open, None
        return [TextMessageEndEvent(message_id=ended)]

    def _with_text(self, content: str) -> str | None:
        """The message that was shown with this text: a runtime may store it under another id."""
        if not content:
            return None
        wanted = sha256(content.encode()).digest()
        return next((id for id, text in self._texts.items() if text.digest() == wanted), None)

    def _is_told(self, event: BaseEvent) -> bool:
        if isinstance(event, _CALLS):
            return event.tool_call_id in self._calls
        return isinstance(event, ToolCallResultEvent) and event.tool_call_id in self._results
