"""One trace across a Node application with ``bullmq-otel`` and this project, both ways."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from common.trace_context import TraceContext
from knowledge.requests.use_cases import request_sync
from takaro_local.collector import Collector
from takaro_local.spans import SpanStore
from tests.interop.bullmq.sides import VERSIONS, Peer, finished, node_application
from tests.support.knowledge import knowledge_service
from tests.support.node import Node
from tests.support.servers import free_port
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(90)

_ROOT = Path(__file__).parents[3]
Span = dict[str, Any]


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Takes the spans of our processes."""
    server = Collector(free_port(), SpanStore())
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tracing(collector: Collector) -> dict[str, str]:
    """Settings that make our processes export to the collector, quickly."""
    url = f"http://127.0.0.1:{collector.server_port}"
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "100"}


async def test_our_worker_goes_on_in_the_trace_of_a_node_producer(
    database: str,
    redis: Redis,
    redis_url: str,
    node: Node,
    collector: Collector,
    tracing: dict[str, str],
    tmp_path: Path,
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("Levers and buttons.")
    data = {"knowledgeBaseId": "guide", "version": "latest", "source": (tmp_path / "docs").as_uri()}
    settings = {**tracing, "LOCAL_SOURCES_ROOT": str(tmp_path)}

    async def processing(job_id: str) -> Span:
        """The span in which our worker ran a job."""
        spans = [
            span
            for trace in collector.store.recent(100)
            for span in collector.store.trace(trace["traceId"])
            if span["name"] == "process kb-sync"
            and span["attributes"]["messaging.message.id"].startswith(job_id)
        ]
        assert spans, f"{job_id} isn't among the spans"
        return spans[0]

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(knowledge_service(database, redis_url, tmp_path / "s", **settings))
        for version in VERSIONS:
            peer = await stack.enter_async_context(node_application(node, redis_url, version, traced=True))
            job_id = await peer.add(data)
            added = await spans_of(peer, 2)
            [asked] = [span for span in added if span["parentSpanId"] is None]
            [sent] = [span for span in added if span["parentSpanId"] == asked["spanId"]]
            assert (asked["name"], sent["kind"]) == ("ask for a sync", "PRODUCER")

            ours = await eventually(partial(processing, job_id))
            assert (ours["traceId"], ours["parentSpanId"]) == (sent["traceId"], sent["spanId"]), version
            assert (ours["service"], ours["kind"]) == ("knowledge", "consumer")
            inner = collector.store.trace(ours["traceId"])
            assert {"knowledge.list_source"} <= {span["name"] for span in inner}, "the sync itself is in it"

            alone = await peer.add(data, telemetry={"omitContext": True})
            ours = await eventually(partial(processing, alone))
            assert ours["parentSpanId"] is None, "asked not to be joined"
            assert ours["traceId"] not in {span["traceId"] for span in await peer.call("spans")}

            key = f"kb-sync-{version.package}"
            before = len(await peer.call("spans"))
            await peer.schedule(key, {"every": 60_000}, data)  # its first iteration is due at once
            [scheduled] = (await spans_of(peer, before + 1))[before:]
            ours = await eventually(partial(processing, f"repeat:{key}:"))
            assert ours["parentSpanId"] is None, "all iterations carry one context: they don't grow one trace"
            assert ours["links"] == [{name: scheduled[name] for name in ("traceId", "spanId")}]
            await peer.unschedule(key)


async def test_a_node_worker_goes_on_in_our_trace(
    database: str,
    redis: Redis,
    redis_url: str,
    node: Node,
    collector: Collector,
    tracing: dict[str, str],
) -> None:
    base = (
        "INSERT INTO knowledge_bases (id, name, source, version, origin) "
        "VALUES ('guide', 'Guide', 'https://github.com/acme/guide', 'latest', 'api')"
    )
    asked = "ab" * 16, "cd" * 8
    async with dispatching(database, redis_url, tracing):
        for version in VERSIONS:
            async with node_application(node, redis_url, version, traced=True) as peer:
                await peer.work()
                connection = await asyncpg.connect(database)
                await connection.execute(f"{base} ON CONFLICT DO NOTHING")
                async with connection.transaction():
                    trace = TraceContext(f"00-{asked[0]}-{asked[1]}-01", "vendor=1", "tenant=acme")
                    job_id = await request_sync(connection, "guide", reason="http", trace=trace)
                await connection.close()

                async def sending(job_id: str = job_id) -> Span:
                    spans = collector.store.trace(asked[0])
                    sent = [s for s in spans if s["attributes"].get("messaging.message.id") == job_id]
                    assert len(sent) == 1, spans
                    return sent[0]

                sent = await eventually(sending)
                options: Any = await redis.hget(f"bull:kb-sync:{job_id}", "opts")
                carried = json.loads(json.loads(options)["tm"])
                assert (carried["tracestate"], carried["baggage"]) == ("vendor=1", "tenant=acme")
                assert (sent["name"], sent["parentSpanId"]) == ("send kb-sync", asked[1])
                assert (await finished(peer, job_id))["state"] == "completed"
                spans = [span for span in await spans_of(peer, 1) if span["kind"] == "CONSUMER"]
                [processed] = [span for span in spans if span["attributes"].get("bullmq.job.id") == job_id]
                assert (processed["traceId"], processed["parentSpanId"]) == (asked[0], sent["spanId"]), (
                    version
                )


@asynccontextmanager
async def dispatching(database: str, redis_url: str, tracing: dict[str, str]) -> AsyncIterator[None]:
    """Our dispatcher in a separate process; no worker of ours takes the jobs it adds."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.interop.bullmq.dispatching"),
        cwd=_ROOT,
        env={**os.environ, **tracing, "DATABASE_URL": database, "REDIS_URL": redis_url, "AUTH_MODE": "dev"},
    )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def spans_of(peer: Peer, count: int) -> list[Span]:
    """What a Node application traced, once there are ``count`` spans."""

    async def enough() -> list[Span]:
        spans: list[Span] = await peer.call("spans")
        assert len(spans) >= count, spans
        return spans

    return await eventually(enough)
