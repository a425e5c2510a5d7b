"""From publishing to the relayed fact, compared with the Node peer's bare insert and each part's floor."""

import time
from typing import Any

from benchmarks import floors
from benchmarks.report import Report
from benchmarks.world import World, cpu_seconds, median, packed, rss_megabytes, run_peer, until
from tests.support.services import Service

CONVERSATIONS = 200
MESSAGES = 20_000


async def run(world: World, report: Report, rounds: int = 5) -> None:
    """Alternate the peer and our service ``rounds`` times, then measure the parts one by one."""
    chat = Service(
        "chat",
        database_url=world.postgres.url,
        redis_url=world.redis.url,
        folder=world.folder / "chat",
        environment={"LOG_LEVEL": "warning"},
        anew=True,
    )
    await chat.start()
    try:
        ours, peers = [], []
        for number in range(rounds):
            report.progress(f"append, round {number + 1} of {rounds}")
            lines = run_peer("data.mjs", "append", PGURL=world.peer_url)
            peers.append(next(line["per_s"] for line in lines if line["concurrency"] == 64))
            ours.append(await _ours(world, chat))
    finally:
        await chat.stop()
    speed, peer = median([o["per_s"] for o in ours]), median(peers)
    report.line("append: Node, bare INSERT at concurrency 64", f"{peer:,.0f} /s")
    report.line("append: XADD to fact relayed, one chat process", f"{speed:,.0f} /s")
    report.line(
        "append: ratio", f"{speed / peer:.2f}", "at least 1.7; 2.5 is the stretch", speed / peer >= 1.7
    )
    memory = max(o["rss_mb"] for o in ours)
    report.line("append: memory of the chat process", f"{memory:.0f} MB", "at most 150 MB", memory <= 150)
    for who in ("chat", "postgres", "redis"):
        report.line(f"append: CPU of {who}", f"{median([o[who] for o in ours]):.1f} µs a message")
    await floors.run(world, report)


async def _ours(world: World, chat: Service) -> dict[str, Any]:
    conversations = await world.make_conversations(CONVERSATIONS)
    redis = world.client()
    already = await redis.xlen("chat.events")
    chunks = list(packed(conversations, MESSAGES))
    pids = {"chat": chat.pid, "postgres": world.postgres.pid, "redis": world.redis.pid}
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    started = time.perf_counter()
    await world.publish(chunks)

    async def relayed() -> bool:
        return bool(await redis.xlen("chat.events") >= already + MESSAGES)

    await until(relayed)
    seconds = time.perf_counter() - started
    used = {name: (cpu_seconds(pid) - before[name]) / MESSAGES * 1e6 for name, pid in pids.items()}
    await redis.aclose()
    return {"per_s": MESSAGES / seconds, "rss_mb": rss_megabytes(chat.pid), **used}
