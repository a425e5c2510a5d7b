"""A list that can be taken back from, kept in a conversation, which only grows.

Each item is a message: its text for people, and the item itself, exactly, in ``toolResults``. Taking items
back appends a message that names them: nothing that others may have read disappears, and two processes that
take back the same item agree.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from takaro_agent_client.models import Message
from takaro_agent_client.operations.messages import NewMessage, Role

ITEM, REMOVED, CLEARED = "item", "removed", "cleared"
_SPEAKERS: Mapping[str, Role] = {"user": "user", "assistant": "assistant", "tool": "tool"}
MAX_TEXT = 50_000
"""Characters of an item's text that people see; the item itself is whole."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An item that is there, with the message that holds it."""

    message: Message
    item: Any


def entry(format: str, item: Any, *, role: str, text: str) -> NewMessage:
    """The message that keeps ``item``, which is JSON; ``format`` says whose items these are."""
    return {
        "role": _SPEAKERS.get(role, "system"),
        "content": text[:MAX_TEXT] or f"({format})",
        "tool_results": {"format": format, ITEM: item},
    }


def removal(format: str, kept: Iterable[Kept]) -> NewMessage:
    """The message that takes these back."""
    ids = [str(each.message.id) for each in kept]
    return _marker(format, {REMOVED: ids}, f"({format}: {len(ids)} taken back)")


def clearing(format: str) -> NewMessage:
    """The message that takes everything before it back."""
    return _marker(format, {CLEARED: True}, f"({format}: cleared)")


@dataclass(slots=True)
class Replay:
    """Reads a conversation from its end: what was taken back is known before it comes."""

    format: str
    kept: list[Kept] = field(default_factory=list)
    _removed: set[str] = field(default_factory=set)

    def take(self, message: Message) -> bool:
        """Read the message before. Returns whether there is nothing more to read."""
        held = message.tool_results if isinstance(message.tool_results, Mapping) else {}
        if held.get("format") != self.format:
            self._keep(message, None)  # somebody else's: a user's over HTTP, another runtime's
        elif held.get(CLEARED):
            return True
        elif REMOVED in held:
            self._removed.update(held[REMOVED])
        else:
            self._keep(message, held.get(ITEM))
        return False

    def _keep(self, message: Message, item: Any) -> None:
        if str(message.id) not in self._removed:
            self.kept.append(Kept(message, item))


def _marker(format: str, what: Mapping[str, Any], text: str) -> NewMessage:
    return {"role": "system", "content": text, "tool_results": {"format": format, **what}}
