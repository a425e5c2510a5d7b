"""The spans of one request: which ones must exist, and when all of them have arrived."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from takaro_local.demo.caller import StepFailedError, eventually

Span = Mapping[str, Any]
#: More siblings with one name than this are drawn as one.
_ALIKE = 3


@dataclass(slots=True, frozen=True)
class Wanted:
    """A span that a trace must have: its service, its kind, and the start of its name."""

    service: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.service}: {self.name}"


#: Deleting a conversation: HTTP, SQL and outbox at chat; the fact; the stop of the game server at cockpit.
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
    """The ids of a request that isn't sent yet, for its ``traceparent``."""

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
    """The request's spans, once all wanted ones and the parents of all spans have arrived.

    Raises StepFailedError with the names of missing spans.
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
            f"trace {request.trace_id} should be complete; it lacks {', '.join(missing(spans))}"
        ) from None
    return spans


def fold(spans: Sequence[Span]) -> list[dict[str, Any]]:
    """The spans, with many siblings of one name drawn as one: ``SELECT leases (40 times)``."""
    parents = {span["parentSpanId"] for span in spans}
    runs: list[list[Span]] = []
    newest: dict[str | None, list[Span]] = {}
    for span in sorted(spans, key=lambda span: span["startTimeUnixNano"]):
        run = newest.get(span["parentSpanId"])
        leaves = span["spanId"] not in parents and run is not None and run[-1]["spanId"] not in parents
        if run is not None and leaves and run[-1]["name"] == span["name"]:
            run.append(span)
            continue
        runs.append([span])
        newest[span["parentSpanId"]] = runs[-1]
    return [one for run in runs for one in ([_joined(run)] if len(run) > _ALIKE else map(dict, run))]


def _joined(run: Sequence[Span]) -> dict[str, Any]:
    spent = sum(span["durationMs"] for span in run)
    return {**run[0], "name": f"{run[0]['name']} ({len(run)} times)", "durationMs": spent}


def _is(span: Span, want: Wanted) -> bool:
    return (span["service"], span["kind"]) == (want.service, want.kind) and span["name"].startswith(want.name)
