"""Turns raw entries into validated events, so that one bad entry never holds up a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import ValidationError

from backbone.events import TOMBSTONE, Event, MalformedEntry, RawEntry, decode_entry
from backbone.handlers import Command, Rejection, Route, Router
from common import codec

log = structlog.get_logger()


@dataclass(slots=True)
class Item:
    """An entry being handled: ``route`` and ``command`` are set if it is valid, else ``rejection`` is.

    On a stream of facts, an entry whose type the router doesn't take has neither: it is passed over. So is a
    tombstone on any.
    """

    entry: RawEntry
    event: Event | None = None
    route: Route | None = None
    command: Command[Any] | None = None
    rejection: Rejection | None = None
    order_key: str = ""


def validate(router: Router, stream: str, entries: Sequence[RawEntry]) -> list[Item]:
    """Decode and validate each entry separately, in order."""
    return [_validate(router, stream, entry) for entry in entries]


def _validate(router: Router, stream: str, entry: RawEntry) -> Item:
    event: Event | None = None
    if TOMBSTONE in entry[1] and entry[1].keys().isdisjoint((b"type", b"data", b"__data__")):
        return Item(entry)
    try:
        event = decode_entry(stream, entry[0], entry[1])
        return _read(router, entry, event)
    except MalformedEntry as error:
        return Item(entry, error.event, rejection=Rejection("malformed", str(error)))
    except Exception as error:
        # An unforeseen error concerns one entry, not its batch.
        log.error("entry can't be read", stream=stream, entry_id=entry[0], exc_info=error)
        return Item(entry, event, rejection=Rejection("malformed", f"{type(error).__name__}: {error}"))


def _read(router: Router, entry: RawEntry, event: Event) -> Item:
    route = router.routes.get(event.type)
    if route is None:
        rejection = None
        if router.rejected is not None:
            rejection = Rejection("unknown_type", f"{router.service} doesn't take {event.type}")
        return Item(entry, event, rejection=rejection)
    try:
        data = route.model.model_validate_json(event.data)
        if codec.json_has_nul(event.data):
            return Item(entry, event, rejection=Rejection("invalid", "U+0000 can't be stored"))
    except ValidationError as error:
        return Item(entry, event, rejection=Rejection("invalid", explain(error.errors(include_url=False))))
    except ValueError as error:
        return Item(entry, event, rejection=Rejection("invalid", str(error)))
    command = Command(event, data, event.key(), event.trace)
    return Item(entry, event, route, command, order_key=route.order_by(command))


def explain(problems: Sequence[Mapping[str, Any]]) -> str:
    """Pydantic's errors on one line: ``conversationId: Field required; …``."""
    return "; ".join(f"{'.'.join(map(str, p['loc'])) or 'data'}: {p['msg']}" for p in problems[:10])
