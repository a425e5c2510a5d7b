"""What programs that follow the streams do: XREAD from where they are."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from tests.support.wait import eventually


@dataclass(slots=True, frozen=True)
class Fact:
    """An entry of a stream of facts."""

    entry_id: str
    attributes: dict[str, str]
    data: dict[str, Any]

    @property
    def type(self) -> str:
        return self.attributes["type"]

    @property
    def trace_id(self) -> str:
        return self.attributes["traceparent"].split("-")[1]


async def newest(bus: Redis, stream: str) -> str:
    """The id of the newest entry; ``0`` if there is none."""
    entries: Any = await bus.xrevrange(stream, count=1)
    return str(entries[0][0]) if entries else "0"


async def facts_after(bus: Redis, stream: str, after: str) -> list[Fact]:
    entries: Any = await bus.xrange(stream, min=f"({after}")
    return [Fact(entry_id, fields, json.loads(fields["data"])) for entry_id, fields in entries]


async def fact_after(bus: Redis, stream: str, after: str, wanted: Callable[[Fact], bool]) -> Fact:
    """The first wanted fact after an entry, as soon as it exists."""

    async def find() -> Fact | None:
        return next((fact for fact in await facts_after(bus, stream, after) if wanted(fact)), None)

    found = await eventually(find)
    assert found is not None
    return found


async def command(bus: Redis, stream: str, type: str, data: dict[str, Any], **attributes: str) -> str:
    """XADD a command as a person would by hand. Returns the entry's id."""
    fields: dict[Any, Any] = {"type": type, "data": json.dumps(data), **attributes}
    return str(await bus.xadd(stream, fields))
