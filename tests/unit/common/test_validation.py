"""Any program can write anything into a stream: each entry becomes a command, or says why it doesn't."""

from typing import Any, ClassVar

import orjson
import pytest
from faststream.redis.parser import BinaryMessageFormatV1
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backbone.batch import _rejected_fact
from backbone.dead_letters import DeadLetter, dead_fields
from backbone.events import Fields
from backbone.handlers import Command, Rejection, Router
from backbone.kafka.binding import entry_of, record_of_entry
from backbone.validation import Item, validate
from contracts import CommandRejected, Contract


class Note(Contract):
    type: ClassVar[str] = "probe.note.v1"
    subject: str


class Rejected(CommandRejected):
    type: ClassVar[str] = "probe.command.rejected.v1"


async def _handle(*_: Any) -> list[None]:
    return []


def _key(command: Command[Note]) -> str:
    if command.data.subject == "unforeseen":
        raise LookupError("a rule of ours that nobody thought through")
    return command.data.subject


COMMANDS, FACTS = Router("probe", rejected=Rejected), Router("probe")
for router in (COMMANDS, FACTS):
    router.on(Note, _handle, key=_key)

NAMES = [
    b"id",
    b"type",
    b"source",
    b"subject",
    b"time",
    b"traceparent",
    b"tracestate",
    b"baggage",
    b"data",
    b"replay",
    b"__data__",
]
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
texts = st.text(max_size=30)
envelopes = st.fixed_dictionaries(
    {},
    optional={
        "data": json_values | texts | st.just('{"subject": "s"}'),
        "headers": json_values
        | st.fixed_dictionaries({}, optional={"type": json_values, "ce_id": json_values}),
        "type": json_values | st.just(Note.type),
        "id": json_values,
    },
)
as_json = (json_values | envelopes).map(lambda value: orjson.dumps(value, default=str))
binary = st.binary(max_size=40).map(BinaryMessageFormatV1.IDENTITY_HEADER.__add__)
values = (
    st.binary(max_size=40)
    | texts.map(lambda text: text.encode(errors="replace"))
    | as_json
    | binary
    | st.sampled_from([Note.type.encode(), b'{"subject": "s"}', b'{"subject": "unforeseen"}', b"x" * 2_000])
)
fields = st.dictionaries(st.sampled_from(NAMES) | st.binary(max_size=8), values, max_size=6)


@settings(max_examples=150, deadline=None)
@given(fields)
@example({b"__data__": b'{"data": "x", "headers": null}'})
@example({b"__data__": b'{"data": "x", "headers": 5}'})
@example({b"__data__": b'{"data": "x", "headers": [1]}'})
@example({b"__data__": b'{"type": "t", "data": ' + b"[" * 300 + b"]" * 300 + b"}"})
@example({b"type": b"probe.note.v1", b"data": b'{"subject": "unforeseen"}'})
def test_an_entry_of_whatever_fields_is_a_command_or_says_why_not(entry: Fields) -> None:
    for router in (COMMANDS, FACTS):
        [item] = validate(router, "probe.commands", [("1-0", dict(entry))])
        _see_through(router, item)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, st.none() | values), max_size=5), st.none() | values, st.none() | values)
@example([("ce___data__", b""), ("__data__", b'{"data": "x", "headers": null}')], None, None)
@example([("ce_type", Note.type.encode())], None, None)
@example([(":tombstone", b"")], None, b'{"subject": "s"}')
@example([], b"s", None)
def test_a_record_of_whatever_headers_is_a_command_or_says_why_not(
    headers: list[tuple[str, bytes | None]], key: bytes | None, value: bytes | None
) -> None:
    class Record:
        topic, partition, offset, timestamp = "probe.commands", 3, 7, 1_764_000_000_000

    record: Any = Record()
    record.headers, record.key, record.value = headers, key, value
    entry = entry_of(record)
    [item] = validate(COMMANDS, "probe.commands", [entry])
    if value is None and not headers:
        assert item == Item(entry), "a tombstone is passed over"
        return
    letter = _see_through(COMMANDS, item)
    if letter is not None:
        record_of_entry(dead_fields(letter, "probe.commands", "probe"))


def _see_through(router: Router, item: Item) -> DeadLetter | None:
    """An item's path until it is stored: no content of the entry may make it fail."""
    if item.event is not None:
        stored = (item.event.id, item.event.source, item.event.type, item.event.traceparent or "")
        assert all(len(text.encode()) <= 1_024 and "\x00" not in text for text in stored)
        assert isinstance(item.event.digest(), bytes)
    if item.rejection is None:
        assert item.command is not None or (router is FACTS and item.event is not None)
        return None
    if item.event is not None and router.rejected is not None:
        fact = _rejected_fact(router.rejected, "probe.events", item.event.key(), item.event, item.rejection)
        assert "\x00" not in fact.data.to_json()
    letter = DeadLetter(item.entry, "invalid", item.rejection.reason)
    assert dead_fields(letter, "probe.commands", "probe")[b"dead-id"] == item.entry[0].encode()
    return letter


@pytest.mark.parametrize(
    ("entry", "known_as"),
    [
        ({b"id": b"a", b"type": b"t"}, "a"),
        ({b"type": b"t"}, "1-0"),
        ({b"id": b"\xff", b"type": b"t", b"data": b"{}"}, "1-0"),
        ({b"id": "語".encode() * 400, b"type": b"t", b"data": b"{}"}, "1-0"),
        ({b"id": b"a", b"type": b"t", b"subject": b"\x00", b"data": b"{}"}, "a"),
        ({b"__data__": b'{"id": "a", "type": "t"}'}, "a"),
        ({b"id": b"a", b"data": b"{}"}, None),
        ({b"id": b"a", b"type": b"\xff", b"data": b"{}"}, None),
    ],
)
def test_a_malformed_entry_tells_what_is_known_of_it(entry: dict[bytes, bytes], known_as: str | None) -> None:
    [item] = validate(COMMANDS, "probe.commands", [("1-0", entry)])
    assert item.rejection is not None
    assert item.rejection.code == "malformed"
    assert (item.event.id if item.event else None) == known_as


def test_a_reason_can_always_be_stored() -> None:
    assert Rejection("invalid", "a\x00b\ud800" + "c" * 3_000).reason == "a\ufffdb?" + "c" * 1_996
