"""Which signals each service must emit: spans by name and attributes, metrics, fields of log lines."""

from functools import partial
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from tests.e2e.conftest import BASE, NAMES, USER, Request, System
from tests.e2e.follow import command, fact_after, newest
from tests.e2e.signals import (
    APPEND,
    EXECUTE,
    FORMER,
    METRICS,
    REQUEST_SYNC,
    SIGNALS,
    Signal,
    differences,
    identity,
)
from tests.support.services import ServiceName
from tests.support.wait import eventually


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def requests(system: System) -> dict[str, Request]:
    """Six requests, each with its own traceparent, whose chains are complete."""
    sent = {signal.request: Request() for signal in SIGNALS}
    async with (
        Redis.from_url(system.redis_url, decode_responses=True) as bus,
        system["chat"].client(USER) as chat,
        system["cockpit"].client(USER) as cockpit,
        system["knowledge"].client(USER) as knowledge,
    ):
        created = await chat.post("/api/conversations", json={"agentId": "module-writer"})
        conversation = created.json()["data"]["id"]
        url = f"/api/conversations/{conversation}"
        await chat.post(f"{url}/messages", json={"content": "hi"}, headers=sent["post"].headers)
        said = {"conversationId": conversation, "role": "assistant", "content": "hello"}
        await command(bus, "chat.commands", APPEND, said, traceparent=sent["append"].traceparent)

        session = (await cockpit.get(f"/api/cockpit/sessions/{conversation}")).json()["data"]["id"]
        start = f"/api/cockpit/sessions/{session}/mock-server/start"
        await cockpit.post(start, headers=sent["start"].headers)
        line = {"conversationId": conversation, "userId": USER, "command": "say hi"}
        last = await newest(bus, "cockpit.events")
        await command(bus, "cockpit.commands", EXECUTE, line, traceparent=sent["execute"].traceparent)
        await fact_after(bus, "cockpit.events", last, lambda f: f.trace_id == sent["execute"].trace_id)

        # Whatever was synced by another test: there is something to write.
        (system.handbook / "signals.md").write_text("# Signals\n\nA sync has a span for what it writes.\n")
        last = await newest(bus, "knowledge.events")
        await knowledge.post(f"/api/knowledge-bases/{BASE}/sync", headers=sent["sync"].headers)
        await fact_after(bus, "knowledge.events", last, lambda f: f.type == "knowledge.sync.completed.v1")
        wanted = {"knowledgeBaseId": BASE, "mode": "full"}
        traceparent = sent["resync"].traceparent
        last = await newest(bus, "knowledge.events")
        await command(bus, "knowledge.commands", REQUEST_SYNC, wanted, traceparent=traceparent)
        await fact_after(bus, "knowledge.events", last, lambda f: f.type == "knowledge.sync.completed.v1")

        await eventually(lambda: _has_messages(chat, url, 2))
        await chat.delete(url, headers=sent["delete"].headers)
    return sent


@pytest.mark.parametrize("signal", SIGNALS, ids=str)
async def test_spans(system: System, requests: dict[str, Request], signal: Signal) -> None:
    wanted = f"{signal.service}: {signal.name}"
    spans = await system.trace(requests[signal.request], wanted)
    by_id = {span["spanId"]: span for span in spans}
    alike = [s for s in spans if (s["service"], s["kind"], s["name"]) == identity(signal)]
    assert alike, [(span["service"], span["kind"], span["name"]) for span in spans]
    problems = [differences(span, signal, by_id) for span in alike]
    assert [] in problems, problems


async def test_a_request_is_one_trace_from_end_to_end(system: System, requests: dict[str, Request]) -> None:
    """No span of a chain is outside its trace, and none in it has lost its parent."""
    services = {
        "post": {"chat"},
        "append": {"chat"},
        "delete": {"chat", "cockpit"},
        "start": {"cockpit"},
        "execute": {"cockpit"},
        "sync": {"knowledge"},
        "resync": {"knowledge"},
    }
    for name, request in requests.items():
        ends = [f"{s.service}: {s.name}" for s in SIGNALS if s.request == name]
        spans = await system.trace(request, *ends)
        assert {span["service"] for span in spans} == services[name]
        failed = [span for span in spans if span["status"]["code"] == "error"]
        assert failed == []


async def test_only_stable_names_are_used(system: System, requests: dict[str, Request]) -> None:
    for request in requests.values():
        for span in await system.trace(request):
            assert not FORMER & span["attributes"].keys(), span
            assert span["kind"] != "client" or span["name"] == span["attributes"]["db.query.summary"]


async def test_what_operators_ask_for_is_not_traced_and_a_base_called_docs_is(system: System) -> None:
    operators, caller = Request(), Request()
    async with system["knowledge"].client(USER) as knowledge:
        for path in (
            "/health",
            "/ready",
            "/metrics",
            "/docs",
            "/openapi.json",
            "/asyncapi",
            "/asyncapi.json",
        ):
            (await knowledge.get(path, headers=operators.headers)).raise_for_status()
        answer = await knowledge.get("/api/knowledge-bases/docs", headers=caller.headers)
    [root, *_] = await system.trace(caller, "knowledge: GET /api/knowledge-bases/{kb_id}")
    assert root["attributes"]["http.response.status_code"] == answer.status_code == 404
    assert system.spans.trace(operators.trace_id) == []


async def test_polling_makes_no_traces(system: System, requests: dict[str, Request]) -> None:
    """A service without requests, which renews leases, relays and drives, emits no span at all."""
    for request in requests.values():
        await system.trace(request)
    # A sync that another test asked for ends, and what is on its way to the collector arrives.
    renewed = await eventually(partial(_leases_without_syncs, system))
    assert renewed is not None
    renewed = await _renewed(system, renewed)
    known = {trace["traceId"] for trace in system.spans.recent(20_000)}
    for _ in range(3):
        renewed = await _renewed(system, renewed)
    fresh = [trace for trace in system.spans.recent(20_000) if trace["traceId"] not in known]
    assert fresh == []


@pytest.mark.parametrize("name", NAMES)
async def test_metrics(system: System, requests: dict[str, Request], name: ServiceName) -> None:
    async with system[name].client() as client:
        answer = (await client.get("/metrics")).raise_for_status()
    assert answer.headers["content-type"].startswith("text/plain")
    found = {
        (family.name, frozenset(set(sample.labels.values()) - {sample.labels.get("le")}))
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    missing = {
        (metric, labels) for metric, labels in METRICS[name] if (metric, frozenset(labels)) not in found
    }
    assert not missing
    assert any(metric == "process_resident_memory_bytes" for metric, _ in found)


@pytest.mark.parametrize("name", NAMES)
async def test_logs_are_json_with_time_level_service_and_event(
    system: System, requests: dict[str, Request], name: ServiceName
) -> None:
    lines = system[name].logs()
    assert lines
    assert all({"time", "level", "service", "event"} <= line.keys() for line in lines)
    assert {line["service"] for line in lines} == {name}


async def test_the_log_of_a_job_names_the_trace_of_the_request(
    system: System, requests: dict[str, Request]
) -> None:
    [line] = _lines(system, "knowledge", requests["sync"].trace_id, "knowledge base synced")
    spans = await system.trace(requests["sync"], "knowledge: process kb-sync")
    assert line["span_id"] in {span["spanId"] for span in spans}


async def test_a_job_that_waits_for_another_sync_of_its_base_is_no_failure(system: System) -> None:
    request, lease = Request(), f"knowledge.sync:{BASE}"
    connection = await asyncpg.connect(system.database)
    try:
        await connection.execute(_OTHER_SYNC, lease)
        async with system["knowledge"].client(USER) as knowledge:
            await knowledge.post(f"/api/knowledge-bases/{BASE}/sync", headers=request.headers)
        await system.trace(request, "knowledge: process kb-sync")  # it was put back: the other sync runs
        await connection.execute(_OTHER_SYNC_ENDS, lease)
    finally:
        await connection.close()
    spans = await system.trace(request, "knowledge: send knowledge.events")
    attempts = [span for span in spans if span["name"] == "process kb-sync"]
    assert len(attempts) > 1
    assert {span["status"]["code"] for span in attempts} == {"unset"}


@pytest.mark.parametrize("name", NAMES)
async def test_the_log_of_a_rejected_command_names_its_trace_span_and_event(
    system: System, bus: Redis, name: ServiceName
) -> None:
    request = Request()
    event = {"id": f"mine-{name}", "source": "tests", "traceparent": request.traceparent}
    await command(bus, f"{name}.commands", f"{name}.nonsense.v1", {}, **event)
    rejected = await fact_after(bus, f"{name}.events", "0", lambda f: f.trace_id == request.trace_id)
    assert rejected.data["commandId"] == f"mine-{name}"
    [line] = await eventually(lambda: _lines(system, name, request.trace_id, "entry rejected"))
    assert line["event_id"] == f"mine-{name}"
    assert line["span_id"]
    spans = await system.trace(request, f"{name}: process {name}.commands", f"{name}: send {name}.events")
    [span] = [span for span in spans if span["name"] == f"process {name}.commands"]
    assert (span["status"]["code"], span["attributes"]["error.type"]) == ("error", "unknown_type")


_OTHER_SYNC = """
INSERT INTO leases (name, owner, epoch, expires_at) VALUES ($1, 'tests', 1, now() + interval '1 hour')
ON CONFLICT (name) DO UPDATE SET owner = 'tests', expires_at = excluded.expires_at
"""
_OTHER_SYNC_ENDS = "UPDATE leases SET expires_at = '-infinity' WHERE name = $1"


def _lines(system: System, name: ServiceName, trace_id: str, event: str) -> list[dict[str, Any]]:
    logs = system[name].logs()
    return [line for line in logs if line.get("trace_id") == trace_id and line["event"] == event]


async def _has_messages(chat: Any, url: str, count: int) -> bool:
    return len((await chat.get(f"{url}/messages")).json()["data"]) == count


async def _leases(system: System) -> dict[str, Any]:
    """When each lease of a running service expires; those of finished syncs aren't renewed."""
    connection = await asyncpg.connect(system.database)
    try:
        rows = await connection.fetch("SELECT name, expires_at FROM leases WHERE expires_at > now()")
    finally:
        await connection.close()
    return {row["name"]: row["expires_at"] for row in rows}


async def _leases_without_syncs(system: System) -> dict[str, Any] | None:
    """The same, once none is that of a sync, which ends when its time is over."""
    leases = await _leases(system)
    return None if any(name.startswith("knowledge.sync:") for name in leases) else leases


async def _renewed(system: System, last: dict[str, Any]) -> dict[str, Any]:
    """The leases, once all of ``last`` were renewed."""

    async def moved() -> dict[str, Any] | None:
        now = await _leases(system)
        return now if all(now[name] != last[name] for name in last) else None

    found: dict[str, Any] | None = await eventually(moved)
    assert found is not None
    return found
