"""Spans of SQL: only inside a sampled trace, named by operations and tables.

Polls (for leases, facts to relay, due work) and readiness checks never end and belong to no request. Each
would be a trace of a single span.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

QUERY_TEXT = "db.query.text"
QUERY_SUMMARY = "db.query.summary"

_LONGEST_SUMMARY = 255

_LITERAL = re.compile(r"'(?:[^']|'')*'|--[^\n]*")
_DEFINED_HERE = re.compile(r"\b(\w+)(?: \([^)]*\))? AS (?:NOT )?(?:MATERIALIZED )?\(", re.IGNORECASE)
_CALL = re.compile(r"SELECT (\w+)\(", re.IGNORECASE)
_STEP = re.compile(
    r"\b(?:(?P<read>SELECT)\b"
    r"|(?P<write>INSERT INTO|DELETE FROM|(?<!FOR )(?<!DO )UPDATE|COPY) (?:ONLY )?(?P<written>[\w.]+)"
    r"|(?:(?<!DISTINCT )FROM|JOIN) (?:ONLY )?(?!LATERAL\b)(?P<source>[\w.]+)(?P<called>\()?)",
    re.IGNORECASE,
)


class OnlyInTraces(Sampler):
    """Drops our outgoing calls (client spans) that belong to no request, message or job."""

    def __init__(self, inner: Sampler) -> None:
        self._inner = inner

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        parent = trace.get_current_span(parent_context).get_span_context()
        if kind is SpanKind.CLIENT and not parent.is_valid:
            return SamplingResult(Decision.DROP)
        return self._inner.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return f"OnlyInTraces{{{self._inner.get_description()}}}"


@lru_cache(maxsize=2048)
def summary_of(query: str) -> str:
    """Operations and tables of a query in order of appearance: ``INSERT outbox SELECT conversations``."""
    plain = " ".join(_LITERAL.sub(" ", query).split())
    defined = {name.lower() for name in _DEFINED_HERE.findall(plain)}
    words: list[str] = []
    pending = ""
    for step in _STEP.finditer(plain):
        if step["read"]:
            pending = "SELECT"
            continue
        table = step["written"] or step["source"]
        if step["called"] or table.lower() in defined:
            continue
        operation = step["write"].split()[0].upper() if step["write"] else pending
        words += [operation, table] if operation else [table]
        pending = ""
    if not words:
        called = _CALL.match(plain)
        words = (
            [f"SELECT {called[1]}"] if called else [plain.partition(" ")[0].rstrip(";").upper() or "QUERY"]
        )
    return " ".join(words)[:_LONGEST_SUMMARY]
