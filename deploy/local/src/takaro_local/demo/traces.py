"""One request as spans: which there must be, and when all of them have come."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from takaro_local.demo.caller import StepFailedError, eventually

Span = Mapping[str, Any]


@dataclass(slots=True, frozen=True)
class Wanted:
    """A span that a trace must have: its service, its kind, and what its name begins with."""

    service: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.service}: {self.name}"


#: The deletion of a conversation: HTTP, SQL and outbox at chat; its fact; the game server's end at cockpit.
DELETION = (
    Wanted("chat", "server", "DELETE /api/conversations/"),
    Wanted("chat", "client", "INSERT outbox"),
    Wanted("chat", "producer", "send chat.events"),
    Wanted("cockpit", "consumer", "process chat.events"),
    Wanted("cockpit", "client", "UPDATE cockpit_game_servers"),
    Wanted("cockpit", "client", "INSERT outbox"),
    Wanted("cockpit", "producer", "send cockpit.events"),
)
#: A sync: HTTP and SQL, the BullMQ job and its worker, the worker's SQL, its facts.
SYNC = (
    Wanted("knowledge", "server", "POST /api/knowledge-bases/"),
    Wanted("knowledge", "client", "INSERT knowledge_syncs"),
    Wanted("knowledge", "producer", "send kb-sync"),
    Wanted("knowledge", "consumer", "process kb-sync"),
    Wanted("knowledge", "client", "UPDATE knowledge_syncs"),
    Wanted("knowledge", "client", "INSERT outbox"),
    Wanted("knowledge", "producer", "send knowledge.events"),
)


@dataclass(slots=True, frozen=True)
class Request:
    """A request of ours, before it is sent: the ids that it carries as its ``traceparent``."""

    trace_id: str
    span_id: str

    @classmethod
    def new(cls) -> "Request":
        """Random ids."""
        return cls(secrets.token_hex(16), secrets.token_hex(8))

    @property
    def traceparent(self) -> str:
        """W3C trace context, sampled."""
        return f"00-{self.trace_id}-{self.span_id}-01"


def collect(collector: str, request: Request, wanted: Sequence[Wanted]) -> list[Span]:
    """The request's spans, once all that are wanted have come and each stands under one that has.

    Raises StepFailedError that names what is missing.
    """

    def fetch() -> list[Span]:
        answer = httpx.get(f"{collector}/traces/{request.trace_id}", timeout=5, trust_env=False)
        return answer.json()["data"] if answer.status_code == 200 else []

    def missing(spans: Sequence[Span]) -> list[str]:
        known = {request.span_id, *(span["spanId"] for span in spans)}
        lost = [span["name"] for span in spans if span["parentSpanId"] not in known]
        absent = [str(want) for want in wanted if not any(_is(span, want) for span in spans)]
        return absent + [f"the parent of {name}" for name in lost]

    spans: list[Span] = []

    def problems() -> list[str]:
        spans[:] = fetch()
        return missing(spans)

    try:
        eventually(problems, lambda absent: not absent, "missing")
    except StepFailedError:
        raise StepFailedError(
            f"trace {request.trace_id} is whole; it lacks {', '.join(missing(spans))}"
        ) from None
    return spans


def fold(spans: Sequence[Span]) -> list[dict[str, Any]]:
    """The spans with neighbours of one name, kind and parent drawn as one: ``SELECT leases (40 times)``."""
    parents = {span["parentSpanId"] for span in spans}
    folded: list[dict[str, Any]] = []
    newest: dict[str | None, dict[str, Any]] = {}
    for span in sorted(spans, key=lambda span: span["startTimeUnixNano"]):
        last = newest.get(span["parentSpanId"])
        alike = last is not None and (last["was"], last["kind"]) == (span["name"], span["kind"])
        if last is not None and alike and span["spanId"] not in parents and last["spanId"] not in parents:
            last["times"] += 1
            last["name"] = f"{last['was']} ({last['times']} times)"
            last["durationMs"] += span["durationMs"]
            continue
        folded.append({**span, "was": span["name"], "times": 1})
        newest[span["parentSpanId"]] = folded[-1]
    return folded


def _is(span: Span, want: Wanted) -> bool:
    return (span["service"], span["kind"]) == (want.service, want.kind) and span["name"].startswith(want.name)
