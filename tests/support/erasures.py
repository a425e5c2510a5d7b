"""A user's traces in Postgres and in all streams, and the erasing of them in this process."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from redis.asyncio import Redis

from backbone import erasures
from backbone.entry_store import EntryStore
from backbone.erasing import ServiceErasing
from backbone.leases import Lease
from backbone.publishing import Publisher
from backbone.relay import Relay
from chat.erasing import use_cases as chat
from chat.messages.records import NewMessage
from chat.messages.use_cases import append_messages
from cockpit.erasing import use_cases as cockpit
from common.postgres import Pool, transaction
from contracts import chat as chat_contracts
from contracts import cockpit as cockpit_contracts
from contracts import knowledge as knowledge_contracts
from knowledge.erasing import use_cases as knowledge

ERASING: Mapping[str, ServiceErasing] = {
    "chat": chat.create_erasing(),
    "knowledge": knowledge.create_erasing(),
    "cockpit": cockpit.create_erasing(),
}
STREAMS = tuple(
    stream
    for contracts in (chat_contracts, knowledge_contracts, cockpit_contracts)
    for stream in (
        contracts.FACTS_STREAM,
        contracts.COMMANDS_STREAM,
        f"{contracts.FACTS_STREAM}.dead",
        f"{contracts.COMMANDS_STREAM}.dead",
    )
)


@dataclass
class Traces:
    """Writes a user's entries. ``ids`` are theirs in each stream; ``others`` are foreign ones."""

    redis: Redis
    user: str
    ids: dict[str, list[str]] = field(default_factory=dict)

    async def fact(
        self, stream: str, type_: str, subject: str, sequence: int, data: Mapping[str, Any], **more: Any
    ) -> str:
        service = stream.partition(".")[0]
        fields = {"type": type_, "source": f"/takaro/{service}", "subject": subject, "sequence": sequence}
        return await self._add(stream, {**fields, **more, "data": json.dumps(data)})

    async def command(self, stream: str, type_: str, data: object, **more: Any) -> str:
        text = data if isinstance(data, str) else json.dumps(data)
        return await self._add(stream, {"type": type_, "source": "tests", **more, "data": text})

    async def _add(self, stream: str, fields: Mapping[str, Any]) -> str:
        fields = {"id": str(uuid4()), **fields}
        entry_id = str(await self.redis.xadd(stream, fields))  # type: ignore[arg-type]
        self.ids.setdefault(stream, []).append(entry_id)
        return entry_id

    async def fill(self, pool: Pool) -> None:
        """Entries of all kinds: of a conversation that is there, of one that was deleted long ago, of one
        that isn't created yet; unread, pending, dead, unreadable."""
        user = self.user
        here, deleted, to_be = str(uuid4()), str(uuid4()), str(uuid4())
        async with transaction(pool) as connection:
            await connection.execute(
                "INSERT INTO conversations (id, agent_id, agent_version, user_id) VALUES ($1, 'a', 'b', $2)",
                UUID(here),
                user,
            )
            await append_messages(connection, [NewMessage(uuid4(), UUID(here), "user", f"of {user}")])
        appended = "chat.message.appended.v1"
        for conversation in (here, deleted):
            about = {"conversationId": conversation}
            await self.fact(
                "chat.events", "chat.conversation.created.v1", conversation, 1, about | {"userId": user}
            )
            await self.fact("chat.events", appended, conversation, 2, about | {"content": f"of {user}"})
        await self.fact(
            "chat.events",
            "chat.conversation.deleted.v1",
            deleted,
            3,
            {"conversationId": deleted, "userId": user},
        )
        lost = {"details": {"conversationId": here, "data": {"version": 1, "state": {"of": user}}}}
        key = str(uuid4())
        await self.fact(
            "chat.events", "chat.command.rejected.v1", f"command/{key}", 1, {"commandId": key} | lost
        )
        create, append = "chat.conversation.create.v1", "chat.message.append.v1"
        said = {"role": "user", "content": f"of {user}"}
        await self.command("chat.commands", append, {"conversationId": here, **said})
        await self.command("chat.commands", create, {"id": to_be, "agentId": "a", "userId": user})
        await self.command("chat.commands", append, {"conversationId": to_be.upper(), **said})
        for stream in ("chat.commands.dead", "cockpit.commands.dead"):
            await self.command(
                stream, append, f'{{"userId": "{user}", "content": broken', **{"dead-reason": user}
            )
        await self.command("chat.commands.dead", append, {"conversationId": deleted, **said})
        session = str(uuid4())
        happened = {"sessionId": session, "conversationId": here, "userId": user}
        await self.fact("cockpit.events", "cockpit.game.event.v1", session, 1, happened)
        await self.command(
            "cockpit.commands", "cockpit.server.start.v1", {"conversationId": here, "userId": user}
        )
        base = f"kb-{user}"
        updated, completed = "knowledge.base.updated.v1", "knowledge.sync.completed.v1"
        await self.fact("knowledge.events", updated, base, 1, {"knowledgeBaseId": base, "ownerId": user})
        await self.fact("knowledge.events", completed, base, 2, {"knowledgeBaseId": base})
        await self.command("knowledge.commands", "knowledge.sync.request.v1", {"knowledgeBaseId": base})


async def publish(pool: Pool, publisher: Publisher, lease: Lease) -> None:
    """Publish what waits in the outbox, as the services' relays do."""
    for stream in ("chat.events", "knowledge.events", "cockpit.events"):
        relay: Any = Relay(pool, publisher, None, None, stream, 4_000_000)  # type: ignore[arg-type]
        while await relay.publish_batch(lease):
            pass


async def erase(
    pool: Pool, lease: Lease, entries: EntryStore, publisher: Publisher, queue: Redis, user: str
) -> dict[str, erasures.Receipt]:
    """Erase a user in all services, however often a step is interrupted. Returns the receipts by service."""
    async with transaction(pool) as connection:
        erasure = await erasures.request(connection, user)
    sweeps = {
        "chat": chat.create_sweep(entries),
        "knowledge": knowledge.create_sweep(entries, queue),
        "cockpit": cockpit.create_sweep(entries),
    }
    while True:
        for name, erasing in ERASING.items():
            sweep = sweeps[name]
            with suppress(Interrupted):
                while await erasing.step(pool, lease, 0, sweep) == "worked":
                    pass
        await publish(pool, publisher, lease)
        async with pool.acquire() as connection:
            receipts = {each.service: each for each in await erasures.list_receipts(connection, erasure)}
        if all(each.finished_at for each in receipts.values()):
            return receipts


class Interrupted(Exception):
    """What a test raises in the middle of a step: nothing of its transaction stays."""
