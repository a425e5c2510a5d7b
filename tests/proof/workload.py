"""The workload of all services side by side: made, prepared, run, finished, and judged."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Self

from redis.asyncio import Redis

from tests.proof.chat.evidence import collect_chat
from tests.proof.chat.judge import judge_chat
from tests.proof.chat.load import ChatLoad, create_conversations
from tests.proof.cockpit.evidence import collect_cockpit
from tests.proof.cockpit.judge import judge_cockpit
from tests.proof.cockpit.load import CockpitLedger, CockpitLoad, start_servers, take_seats
from tests.proof.commands import running_together
from tests.proof.fleet import Fleet
from tests.proof.knowledge import load as knowledge_load
from tests.proof.knowledge.evidence import collect_knowledge
from tests.proof.knowledge.judge import judge_knowledge
from tests.proof.knowledge.load import KnowledgeLedger, KnowledgeLoad
from tests.proof.ledger import Ledger
from tests.proof.parts import Judged, JudgedChat, JudgedCockpit, JudgedKnowledge
from tests.proof.plan import Plan


class Workload:
    """The load of each service that has processes; chat always has."""

    def __init__(self, plan: Plan, database_url: str, redis_url: str) -> None:
        self._plan, self._database_url, self._redis_url = plan, database_url, redis_url
        self.environment: Mapping[str, str] = {}
        self._ledger = Ledger()
        self._seats: CockpitLedger | None = None
        self._folders: KnowledgeLedger | None = None
        self._chat: ChatLoad | None = None
        self._cockpit: CockpitLoad | None = None
        self._knowledge: KnowledgeLoad | None = None

    @classmethod
    async def make(cls, plan: Plan, database_url: str, redis_url: str) -> Self:
        """Create what must exist before any process does; ``environment`` is set for them."""
        workload = cls(plan, database_url, redis_url)
        if plan.cockpit_processes:
            workload._seats = await take_seats(database_url, plan.sessions, plan.deletions)
        if plan.knowledge_processes:
            place = plan.folder / "bases"
            workload._folders = knowledge_load.make_folders(place, plan.bases, plan.seed)
            workload.environment = knowledge_load.environment(place)
        return workload

    @property
    def published(self) -> int:
        """Of chat's commands."""
        return self._chat.published if self._chat else 0

    async def prepare(self, fleet: Fleet, enough: Callable[[], bool]) -> None:
        """While nothing is broken. ``enough`` says whether enough was broken for the load to end."""
        plan = self._plan
        self._chat = ChatLoad(
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

    async def judge(self, redis: Redis) -> Judged:
        """Compare with what exists. ``redis`` answers in text."""
        url = self._database_url
        evidence = await collect_chat(url, redis)
        findings = judge_chat(self._ledger, evidence)
        cockpit = knowledge = None
        if self._seats:
            found_in_cockpit = judge_cockpit(self._seats, await collect_cockpit(url, redis))
            cockpit = JudgedCockpit(self._seats, found_in_cockpit)
        if self._folders:
            found = await collect_knowledge(url, redis, self._folders.folders)
            knowledge = JudgedKnowledge(self._folders, judge_knowledge(self._folders, found))
        return Judged(JudgedChat(self._ledger, evidence, findings), cockpit, knowledge)
