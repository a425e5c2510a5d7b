"""The OpenAI Agents SDK's ``Session`` on a conversation (the extra ``agents``).

session = TakaroSession(client, conversation.id)
await Runner.run(agent, "Write a module that greets new players", session=session)
"""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from takaro_agent_client.adapters.log import Kept, Replay, clearing, entry, removal
from takaro_agent_client.async_client import AsyncClient
from takaro_agent_client.operations import messages

if TYPE_CHECKING:
    from agents.items import TResponseInputItem
    from agents.memory import SessionSettings

FORMAT = "openai-agents"
_PAGE = 100


class TakaroSession:
    """Implements ``agents.memory.Session``: its items are messages of the conversation, kept exactly.

    Messages that others wrote (a user over HTTP) come as plain ``{"role", "content"}`` items.
    """

    session_settings: "SessionSettings | None"

    def __init__(
        self,
        client: AsyncClient,
        conversation_id: UUID | str,
        session_settings: "SessionSettings | None" = None,
    ) -> None:
        self.session_id = str(conversation_id)
        self.session_settings = session_settings
        self._client = client

    async def get_items(self, limit: int | None = None) -> "list[TResponseInputItem]":
        """The items, oldest first; the newest ``limit`` of them."""
        if limit is None and self.session_settings is not None:
            limit = self.session_settings.limit
        if limit is not None and limit <= 0:
            return []
        kept = await self._read(limit)
        return [_item(each) for each in reversed(kept)]

    async def add_items(self, items: "list[TResponseInputItem]") -> None:
        """Append items: all or none, of up to a thousand."""
        bodies = [entry(FORMAT, item, role=_role(item), text=_text(item)) for item in items]
        for start in range(0, len(bodies), messages.MOST):
            await self._client.send(messages.append(self.session_id, bodies[start : start + messages.MOST]))

    async def pop_item(self) -> "TResponseInputItem | None":
        """Take the newest item back, and return it."""
        kept = await self._read(1)
        if not kept:
            return None
        await self._client.send(messages.append(self.session_id, [removal(FORMAT, kept)]))
        popped: TResponseInputItem = _item(kept[0])
        return popped

    async def clear_session(self) -> None:
        """Take all items back."""
        await self._client.send(messages.append(self.session_id, [clearing(FORMAT)]))

    async def _read(self, limit: int | None) -> list[Kept]:
        """The newest first."""
        replay = Replay(FORMAT)
        size = _PAGE if limit is None else min(_PAGE, limit + 1)
        newest_first = messages.listing(self.session_id, order="desc")
        async for message in self._client.each(newest_first, page_size=size):
            if replay.take(message) or len(replay.kept) == limit:
                break
        return replay.kept


def _item(kept: Kept) -> Any:
    return kept.item or {"role": kept.message.role, "content": kept.message.content}


def _role(item: Any) -> str:
    """Who says it: tools' calls are the assistant's, their outputs the tools'."""
    if item.get("role"):
        return {"developer": "system"}.get(item["role"], str(item["role"]))
    return "tool" if str(item.get("type", "")).endswith("_output") else "assistant"


def _text(item: Any) -> str:
    """What people see of it."""
    content = item.get("content", item.get("output"))
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if isinstance(part, dict) and part.get("text"))
    return f"{item.get('type', '')} {item.get('name', '')}".strip()
