"""The loads of all services side by side: made, prepared, run, finished, and judged."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Self

from redis.asyncio import Redis

from tests.chaos import knowledge_load
from tests.chaos.cockpit_evidence import collect_cockpit
from tests.chaos.cockpit_load import CockpitLedger, CockpitLoad, start_servers, take_seats
from tests.chaos.cockpit_verdict import judge_cockpit
from tests.chaos.evidence import collect
from tests.chaos.fleet import Fleet
from tests.chaos.knowledge_evidence import collect_knowledge
from tests.chaos.knowledge_load import KnowledgeLedger, KnowledgeLoad
from tests.chaos.knowledge_verdict import judge_knowledge
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load, create_conversations
from tests.chaos.outcome import ChatOutcome, CockpitOutcome, KnowledgeOutcome, Outcome
from tests.chaos.plan import Plan
from tests.chaos.publishing import running_together
from tests.chaos.verdict import judge


class Loads:
    """What is asked of the services that have processes; chat always has."""

    def __init__(self, plan: Plan, database_url: str, redis_url: str) -> None:
        self._plan, self._database_url, self._redis_url = plan, database_url, redis_url
        self.environment: Mapping[str, str] = {}
        self._ledger = Ledger()
        self._seats: CockpitLedger | None = None
        self._folders: KnowledgeLedger | None = None
        self._chat: Load | None = None
        self._cockpit: CockpitLoad | None = None
        self._knowledge: KnowledgeLoad | None = None

    @classmethod
    async def make(cls, plan: Plan, database_url: str, redis_url: str) -> Self:
        """Make what must be there before any process is; ``environment`` is to be said to all of them."""
        loads = cls(plan, database_url, redis_url)
        if plan.cockpit_processes:
            loads._seats = await take_seats(database_url, plan.sessions, plan.deletions)
        if plan.knowledge_processes:
            place = plan.folder / "bases"
            loads._folders = knowledge_load.make_folders(place, plan.bases, plan.seed)
            loads.environment = knowledge_load.environment(place)
        return loads

    @property
    def published(self) -> int:
        """Of chat's commands."""
        return self._chat.published if self._chat else 0

    async def prepare(self, fleet: Fleet, enough: Callable[[], bool]) -> None:
        """While nothing is broken. ``enough`` says whether enough was broken for the load to end."""
        plan = self._plan
        self._chat = Load(
            self._ledger,
            fleet,
            database_url=self._database_url,
            redis_url=self._redis_url,
            conversations=await create_conversations(self._database_url, plan.conversations),
            total=plan.commands,
            seconds=plan.seconds,
            seed=plan.seed,
            enough=enough,
        )
        if self._seats:
            await start_servers(self._seats, self._database_url, self._redis_url)
            self._cockpit = CockpitLoad(
                self._seats,
                fleet,
                redis_url=self._redis_url,
                total=plan.says,
                seconds=plan.seconds,
                seed=plan.seed,
            )
        if self._folders:
            self._knowledge = KnowledgeLoad(
                self._folders,
                redis_url=self._redis_url,
                total=plan.syncs,
                seconds=plan.seconds,
                seed=plan.seed,
            )

    async def run(self) -> None:
        """Ask for everything; ends when each command has its answer, or never will."""
        loads = (self._chat, self._cockpit, self._knowledge)
        await running_together([asyncio.create_task(load.run()) for load in loads if load])

    async def finish(self) -> None:
        """When nothing is broken any more."""
        if self._knowledge:
            await self._knowledge.finish()

    async def judge(self, redis: Redis) -> Outcome:
        """Compare with what is there. ``redis`` answers in text."""
        url = self._database_url
        evidence = await collect(url, redis)
        verdict = judge(self._ledger, evidence)
        cockpit = knowledge = None
        if self._seats:
            cockpit_verdict = judge_cockpit(self._seats, await collect_cockpit(url, redis))
            cockpit = CockpitOutcome(self._seats, cockpit_verdict)
        if self._folders:
            found = await collect_knowledge(url, redis, self._folders.folders)
            knowledge = KnowledgeOutcome(self._folders, judge_knowledge(self._folders, found))
        return Outcome(ChatOutcome(self._ledger, evidence, verdict), cockpit, knowledge)
