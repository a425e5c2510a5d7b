"""``takaro trace``: one request through all services, drawn from the collector's spans."""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any

import httpx
import typer
from rich.text import Text
from rich.tree import Tree

from common.trace_context import TraceContext
from takaro_operator.errors import Failure, Refusal
from takaro_operator.output import Json, print_json, printable, screen
from takaro_operator.running import run
from takaro_operator.settings import OperatorSettings

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SHOWN = (
    "cloudevents.event_type",
    "cloudevents.event_id",
    "http.route",
    "http.response.status_code",
    "db.query.text",
)
"""Attributes that say what a span was about, in the order in which they are shown."""


def trace(
    trace_id: Annotated[str, typer.Argument(metavar="ID", help="A trace id, or a whole traceparent.")],
    as_json: Json = False,
) -> None:
    """Show a trace as a tree of spans: HTTP, transactions, outbox, streams, consumers, jobs, SQL.

    Asks the local stack's collector, or the one at TAKARO_TRACES_URL. --json prints one document.
    """

    async def work(settings: OperatorSettings) -> None:
        wanted = _parse_id(trace_id)
        spans = await fetch(settings.collector_url, wanted)
        if as_json:
            print_json({"traceId": wanted, "spans": spans})
        else:
            screen().print(render(wanted, spans))

    run(work)


def _parse_id(given: str) -> str:
    context = TraceContext.of(given)
    found = (context.trace_id if context else given).lower()
    if not _TRACE_ID.fullmatch(found):
        raise Refusal(
            f"{given} is neither a trace id (32 hex digits) nor a traceparent; `takaro event ID` shows an "
            "event's trace id"
        )
    return found


async def fetch(url: str, trace_id: str) -> list[dict[str, Any]]:
    """The spans of a trace, in the order they started. Raises :class:`Failure`."""
    try:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            answer = await client.get(f"{url}/traces/{trace_id}")
            answer.raise_for_status()
            spans: list[dict[str, Any]] = answer.json()["data"]
    except httpx.HTTPStatusError as error:
        if error.response.status_code != 404:
            raise Failure(f"the collector at {url} answered {error.response.status_code}") from error
        raise Failure(
            f"the collector at {url} has no trace {trace_id}: it keeps the newest 20,000 spans in memory; "
            "services send them if OTEL_EXPORTER_OTLP_ENDPOINT is set"
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Failure(
            f"no collector answers at {url} ({error or type(error).__name__}): `make run` starts one; set "
            "TAKARO_TRACES_URL to use another"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"{url} isn't one of our collectors: its answer holds no spans") from error
    return spans


def render(trace_id: str, spans: Sequence[dict[str, Any]]) -> Tree:
    """The spans as a tree: name, service, when it started after the first, how long it took."""
    ids = {span["spanId"] for span in spans}
    children = defaultdict(list)
    for span in sorted(spans, key=lambda span: span["startTimeUnixNano"]):
        parent = span["parentSpanId"]
        # A span whose parent is missing (not exported, not arrived yet) is drawn at the top.
        children[parent if parent in ids and parent != span["spanId"] else None].append(span)
    start = min(span["startTimeUnixNano"] for span in spans)
    services = sorted({span["service"] for span in spans})
    tree = Tree(
        Text.assemble(
            ("trace ", "bold"), trace_id, f"  {len(spans)} spans of {printable(', '.join(services))}"
        )
    )
    waiting = [(tree, span) for span in reversed(children[None])]
    while waiting:
        node, span = waiting.pop()
        branch = node.add(_label(span, start))
        waiting += [(branch, child) for child in reversed(children[span["spanId"]])]
    return tree


def _label(span: dict[str, Any], start: int) -> Text:
    offset = (span["startTimeUnixNano"] - start) / 1e6
    label = Text.assemble(
        (printable(span["name"]), "bold"),
        " ",
        (printable(span["service"]), "cyan"),
        (f"  +{offset:.1f} ms  {span['durationMs']:.1f} ms", "green"),
    )
    for name in _SHOWN:
        if (value := span["attributes"].get(name)) is not None:
            shown = " ".join(printable(str(value).replace("\n", " ")).split())
            label.append(f"  {shown if len(shown) <= 80 else shown[:79] + '…'}", "dim")
    if span["status"]["code"] == "error":
        label.append(f"  {printable(span['status']['message']) or 'error'}", "bold red")
    if span["links"]:
        label.append(f"  {len(span['links'])} links", "magenta")
    return label
