"""The workload of all services side by side: made, prepared, run, finished, and judged."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
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
from tests.proof.parts import Judged, JudgedChat, JudgedCockpit, JudgedKnowledge, JudgedTurns
from tests.proof.plan import Plan
from tests.proof.turns.evidence import collect_turns, without_turns
from tests.proof.turns.followers import Followers
from tests.proof.turns.judge import judge_turns
from tests.proof.turns.judge_shown import judge_seen
from tests.proof.turns.load import TurnsLoad, create_served_conversations
from tests.proof.turns.runtimes import Runtimes
from tests.proof.turns.tabs import Tabs


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
        self._questions = Ledger()
        self._turns: TurnsLoad | None = None
        self._settled = True
        self.runtimes: Runtimes | None = None
        self._followers: Followers | None = None
        self._tabs: Tabs | None = None

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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the runtimes and those who follow them, however the run went."""
        if self.runtimes:
            await self.runtimes.stop()
        for watching in (self._followers, self._tabs):
            if watching:
                await watching.stop()

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
        if plan.runtimes:
            await self._prepare_turns(fleet)

    async def _prepare_turns(self, fleet: Fleet) -> None:
        plan = self._plan
        conversations = await create_served_conversations(
            self._database_url, self._redis_url, fleet.of("chat"), plan.asking
        )
        self._tabs = Tabs(conversations, partial(fleet.someone, "chat"), plan.seed)
        await self._tabs.opened()
        self._turns = TurnsLoad(
            self._questions,
            partial(fleet.someone, "chat"),
            database_url=self._database_url,
            redis_url=self._redis_url,
            conversations=conversations,
            total=plan.questions,
            seconds=plan.seconds,
            seed=plan.seed,
        )
        self.runtimes = Runtimes(
            plan.runtimes,
            chats=[member.url for member in fleet.of("chat")],
            redis_url=self._redis_url,
            folder=plan.folder / "logs",
            seed=plan.seed,
        )
        self._followers = Followers(self.runtimes, partial(fleet.someone, "chat"), plan.seed)
        self.runtimes.wake()

    async def run(self) -> None:
        """Ask for everything; ends when each command has its answer, or never will."""
        loads = (self._chat, self._cockpit, self._knowledge, self._turns)
        await running_together([asyncio.create_task(load.run()) for load in loads if load])

    async def finish(self) -> None:
        """When nothing is broken any more."""
        if self.runtimes and self._turns:
            self.runtimes.wake()
            await self._turns.settle()
            await self.runtimes.finish()  # one may have taken up what another had just ended
            self._settled = await self._turns.settle(0)
        if self._followers:
            await self._followers.finish()
        if self._knowledge:
            await self._knowledge.finish()

    async def judge(self, redis: Redis) -> Judged:
        """Compare with what exists. ``redis`` answers in text."""
        url = self._database_url
        evidence = await collect_chat(url, redis)
        turns = None
        if self.runtimes and self._followers and self._tabs:
            of_turns = await collect_turns(url, redis, settled=self._settled)
            await self._tabs.finish(of_turns.sequences)
            found_in_turns = judge_turns(
                self._questions, self.runtimes.told, self._followers.watched, of_turns
            )
            judge_seen(found_in_turns, self._tabs.seen, self._followers.watched, of_turns.sequences)
            turns = JudgedTurns(self._questions, self.runtimes.told, found_in_turns)
            evidence = without_turns(evidence, of_turns)
        findings = judge_chat(self._ledger, evidence)
        cockpit = knowledge = None
        if self._seats:
            found_in_cockpit = judge_cockpit(self._seats, await collect_cockpit(url, redis))
            cockpit = JudgedCockpit(self._seats, found_in_cockpit)
        if self._folders:
            found = await collect_knowledge(url, redis, self._folders.folders)
            knowledge = JudgedKnowledge(self._folders, judge_knowledge(self._folders, found))
        return Judged(JudgedChat(self._ledger, evidence, findings), cockpit, knowledge, turns)
