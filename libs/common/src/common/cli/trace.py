"""``takaro trace``: one request across the services as a tree, from the collector of the local stack."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

Span = Mapping[str, Any]

_STYLES = {"chat": "cyan", "knowledge": "magenta", "cockpit": "yellow"}
#: What tells a span from its siblings of the same name, the first that it has.
_TELLING = (
    "messaging.destination.name",
    "db.query.summary",
    "db.query.text",
    "db.statement",
    "url.path",
    "http.target",
)
_TELLING_LENGTH = 60
#: Linked traces are followed this far: a batch's links lead to each of its messages.
_LINKED_TRACES = 20


class TraceNotFound(Exception):
    """The collector doesn't know the trace: it never came, or newer ones have taken its place."""


def trace(
    trace_id: Annotated[str, typer.Argument(help="As in a log line's trace_id or a response's traceparent.")],
    collector: Annotated[
        str, typer.Option(help="Where the local stack keeps traces.", envvar="TRACE_COLLECTOR_URL")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The spans as JSON.")] = False,
) -> None:
    """Show a trace, and those linked to it, as a tree."""
    try:
        with httpx.Client(base_url=collector or default_collector(), timeout=10, trust_env=False) as client:
            traces = fetch_linked(client, trace_id)
    except (httpx.TransportError, TraceNotFound) as error:
        typer.echo(f"takaro trace: {error}", err=True)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(json.dumps(traces))
        return
    console = Console()
    for spans in traces.values():
        console.print(render(spans))


def default_collector() -> str:
    """The collector of a local stack on this machine's settings."""
    return f"http://127.0.0.1:{os.environ.get('OTLP_PORT') or 4318}"


def fetch_linked(client: httpx.Client, trace_id: str) -> dict[str, list[Span]]:
    """The spans of a trace and of those that it links to, by trace id, the asked one first.

    Raises TraceNotFound, or what httpx raises when the collector doesn't answer.
    """
    traces: dict[str, list[Span]] = {}
    wanted = [trace_id.lower()]
    while wanted and len(traces) < _LINKED_TRACES:
        identity = wanted.pop(0)
        if identity in traces or not (spans := _fetch(client, identity)):
            continue
        traces[identity] = spans
        wanted += [link["traceId"] for span in spans for link in span["links"]]
    if trace_id.lower() not in traces:
        raise TraceNotFound(f"trace {trace_id} is not known to {client.base_url}")
    return traces


def render(spans: Sequence[Span]) -> Tree:
    """A trace as a tree: spans under their parents in the order they started.

    A span whose parent isn't there (it belongs to a caller, or hasn't come yet) stands at the top.
    """
    known = {span["spanId"] for span in spans}
    children: dict[str | None, list[Span]] = {}
    for span in sorted(spans, key=lambda span: span["startTimeUnixNano"]):
        parent = span["parentSpanId"]
        children.setdefault(parent if parent in known else None, []).append(span)
    began = min(span["startTimeUnixNano"] for span in spans)
    services = ", ".join(sorted({span["service"] for span in spans}))
    tree = Tree(Text(f"trace {spans[0]['traceId']}  {len(spans)} spans  {services}", style="bold"))
    _grow(tree, children.get(None, []), children, began)
    return tree


def _grow(
    branch: Tree, spans: Iterable[Span], children: Mapping[str | None, Sequence[Span]], began: int
) -> None:
    for span in spans:
        _grow(branch.add(_line(span, began)), children.get(span["spanId"], ()), children, began)


def _line(span: Span, began: int) -> Text:
    line = Text.assemble(
        (f"{span['service']} ", _STYLES.get(span["service"], "green")),
        (span["name"], "bold"),
        (f" {span['kind']}", "dim"),
        f" {span['durationMs']:.1f} ms",
        (f" +{(span['startTimeUnixNano'] - began) / 1e6:.0f} ms", "dim"),
    )
    if detail := next((str(span["attributes"][key]) for key in _TELLING if span["attributes"].get(key)), ""):
        shown = " ".join(detail.split())
        line.append(f" {shown[:_TELLING_LENGTH]}{'…' if len(shown) > _TELLING_LENGTH else ''}", "dim")
    for link in span["links"]:
        line.append(f" ↪ {link['traceId'][:8]}", "blue")
    if span["status"]["code"] == "error":
        line.append(f" error {span['status']['message']}".rstrip(), "bold red")
    return line


def _fetch(client: httpx.Client, trace_id: str) -> list[Span]:
    answer = client.get(f"/traces/{trace_id}")
    if answer.status_code == httpx.codes.NOT_FOUND:
        return []
    answer.raise_for_status()
    spans: list[Span] = answer.json()["data"]
    return spans
