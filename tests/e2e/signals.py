"""The signals that each service must emit: spans by name and attributes, and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chat.messages.repository import INSERT_FEW_MESSAGES
from common.query_spans import summary_of
from tests.e2e.conftest import Span
from tests.support.services import ServiceName

ANY = object()
HTTP = {"http.request.method": ANY, "url.path": ANY, "url.scheme": "http", "http.response.status_code": 200}
SQL = {
    "db.system.name": "postgresql",
    "db.namespace": ANY,
    "db.query.text": ANY,
    "server.address": "127.0.0.1",
    "server.port": ANY,
}
REDIS = {"messaging.system": "redis", "messaging.message.id": ANY}
EVENT = {"cloudevents.event_id": ANY, "cloudevents.event_source": ANY}
BULLMQ = {"messaging.system": "bullmq", "messaging.destination.name": "kb-sync", "messaging.message.id": ANY}


def http(route: str, method: str) -> dict[str, Any]:
    return HTTP | {"http.route": route, "http.request.method": method}


def sql(summary: str) -> dict[str, Any]:
    return SQL | {"db.query.summary": summary}


def operation(kind: str, name: str | None = None) -> dict[str, Any]:
    return {"messaging.operation.type": kind, "messaging.operation.name": name or kind}


def send(stream: str, type: str) -> dict[str, Any]:
    destination = {"messaging.destination.name": stream, "cloudevents.event_type": type}
    return REDIS | EVENT | operation("send") | destination


def process(stream: str, group: str, type: str) -> dict[str, Any]:
    destination = {"messaging.destination.name": stream, "cloudevents.event_type": type}
    return REDIS | EVENT | operation("process") | destination | {"messaging.consumer.group.name": group}


def batch(stream: str, group: str) -> dict[str, Any]:
    where = {"messaging.destination.name": stream, "messaging.consumer.group.name": group}
    return operation("process") | where | {"messaging.batch.message_count": 1, "messaging.system": "redis"}


@dataclass(slots=True, frozen=True)
class Signal:
    """A required span: in which request's trace, of which service and kind, with which attributes."""

    request: str
    service: str
    kind: str
    name: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    below: str = ""

    def __str__(self) -> str:
        return f"{self.request}-{self.service}-{self.name}".replace(" ", "_")


MESSAGES = "/api/conversations/{conversationId}/messages"
CONVERSATION = "/api/conversations/{conversationId}"
SYNC = "/api/knowledge-bases/{kb_id}/sync"
START = "/api/cockpit/sessions/{session_id}/mock-server/start"
APPENDED, APPEND = "chat.message.appended.v1", "chat.message.append.v1"
APPENDING = summary_of(INSERT_FEW_MESSAGES)
DELETED, CHANGED = "chat.conversation.deleted.v1", "cockpit.server.status_changed.v1"
REQUEST_SYNC, STARTED = "knowledge.sync.request.v1", "knowledge.sync.started.v1"
EXECUTE, GAME = "cockpit.server.execute.v1", "cockpit.game.event.v1"

SIGNALS = [
    # chat: a message over HTTP
    Signal("post", "chat", "server", f"POST {MESSAGES}", http(MESSAGES, "POST")),
    Signal("post", "chat", "client", APPENDING, sql(APPENDING), f"POST {MESSAGES}"),
    Signal("post", "chat", "producer", "send chat.events", send("chat.events", APPENDED), f"POST {MESSAGES}"),
    # chat: a message as a command
    Signal("append", "chat", "consumer", "process chat.commands", process("chat.commands", "chat", APPEND)),
    Signal(
        "append", "chat", "internal", "process chat.commands batch", batch("chat.commands", "chat"),
        "process chat.commands",
    ),
    Signal(
        "append", "chat", "client", APPENDING, sql(APPENDING), "process chat.commands batch"
    ),
    Signal(
        "append", "chat", "producer", "send chat.events", send("chat.events", APPENDED),
        "process chat.commands",
    ),
    # chat and cockpit: a deletion
    Signal("delete", "chat", "server", f"DELETE {CONVERSATION}", http(CONVERSATION, "DELETE")),
    Signal("delete", "chat", "producer", "send chat.events", send("chat.events", DELETED)),
    Signal(
        "delete", "cockpit", "consumer", "process chat.events", process("chat.events", "cockpit", DELETED),
        "send chat.events",
    ),
    Signal(
        "delete", "cockpit", "client", "UPDATE cockpit_game_servers", sql("UPDATE cockpit_game_servers"),
        "process chat.events batch",
    ),
    Signal(
        "delete", "cockpit", "producer", "send cockpit.events", send("cockpit.events", CHANGED),
        "process chat.events batch",
    ),
    # cockpit: a start over HTTP, a console line as a command
    Signal("start", "cockpit", "server", f"POST {START}", http(START, "POST")),
    Signal("start", "cockpit", "client", "COMMIT", SQL, f"POST {START}"),
    Signal("start", "cockpit", "producer", "send cockpit.events", send("cockpit.events", CHANGED)),
    Signal(
        "execute", "cockpit", "consumer", "process cockpit.commands",
        process("cockpit.commands", "cockpit", EXECUTE),
    ),
    Signal("execute", "cockpit", "producer", "send cockpit.events", send("cockpit.events", GAME)),
    # knowledge: a sync over HTTP
    Signal("sync", "knowledge", "server", f"POST {SYNC}", http(SYNC, "POST")),
    Signal("sync", "knowledge", "client", "INSERT knowledge_syncs", sql("INSERT knowledge_syncs")),
    Signal("sync", "knowledge", "producer", "send kb-sync", BULLMQ | operation("send"), f"POST {SYNC}"),
    Signal(
        "sync", "knowledge", "consumer", "process kb-sync",
        BULLMQ | operation("process") | {"bullmq.job.name": "sync"}, "send kb-sync",
    ),
    Signal("sync", "knowledge", "internal", "knowledge.apply", {}, "process kb-sync"),
    Signal("sync", "knowledge", "client", "UPDATE knowledge_syncs", SQL, "knowledge.apply"),
    Signal("sync", "knowledge", "producer", "send knowledge.events", send("knowledge.events", STARTED)),
    # knowledge: a sync as a command
    Signal(
        "resync", "knowledge", "consumer", "process knowledge.commands",
        process("knowledge.commands", "knowledge", REQUEST_SYNC),
    ),
    Signal("resync", "knowledge", "producer", "send kb-sync", BULLMQ, "process knowledge.commands"),
    Signal("resync", "knowledge", "consumer", "process kb-sync", BULLMQ, "send kb-sync"),
]  # fmt: skip

#: Names that OpenTelemetry's conventions had before they were stable.
FORMER = {
    "http.method", "http.status_code", "http.url", "http.target", "http.scheme", "http.host", "net.peer.ip",
    "net.peer.name", "net.peer.port", "net.transport", "db.system", "db.statement", "db.name", "db.user",
    "messaging.operation",
}  # fmt: skip

METRICS: dict[ServiceName, set[tuple[str, tuple[str, ...]]]] = {
    "chat": {
        ("takaro_stream_entries", ("chat.commands", "chat", "handled")),
        ("takaro_stream_batch_seconds", ("chat.commands", "chat")),
        ("takaro_outbox_published", ("chat.events",)),
        ("takaro_http_request_seconds", (MESSAGES, "POST", "200")),
        ("takaro_lease_held", ("consumer:chat.commands:chat",)),
        ("takaro_lease_held", ("relay:chat.events",)),
    },
    "knowledge": {
        ("takaro_stream_entries", ("knowledge.commands", "knowledge", "handled")),
        ("takaro_outbox_published", ("knowledge.events",)),
        ("takaro_http_request_seconds", (SYNC, "POST", "200")),
        ("takaro_knowledge_syncs", ("full",)),
        ("takaro_knowledge_sync_seconds", ()),
        ("takaro_knowledge_chunks_written", ()),
    },
    "cockpit": {
        ("takaro_stream_entries", ("cockpit.commands", "cockpit", "handled")),
        ("takaro_stream_entries", ("chat.events", "cockpit", "handled")),
        ("takaro_outbox_published", ("cockpit.events",)),
        ("takaro_http_request_seconds", (START, "POST", "200")),
        ("takaro_lease_held", ("cockpit-simulation",)),
        ("takaro_cockpit_simulation_steps", ()),
    },
}


def identity(signal: Signal) -> tuple[str, str, str]:
    """What spans of the signal have in common: service, kind and name."""
    return signal.service, signal.kind, signal.name


def differences(span: Span, signal: Signal, by_id: Mapping[str, Span]) -> list[str]:
    """What the span lacks of the signal."""
    found = span["attributes"]
    wrong = [
        f"{name}={found.get(name)!r}"
        for name, value in signal.attributes.items()
        if name not in found or (value is not ANY and found[name] != value)
    ]
    above, names = span, []
    while above := by_id.get(above["parentSpanId"]):  # type: ignore[assignment]
        names.append(above["name"])
    if signal.below and signal.below not in names:
        wrong.append(f"below {signal.below}, but it is below {names}")
    return wrong
