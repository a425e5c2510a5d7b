"""Kafka without a broker: addresses, and which part of a batch in flight is kept in a rebalance."""

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from faststream.kafka.security import parse_security

from backbone.kafka.address import KafkaAddress
from backbone.kafka.partitions import Partitions
from servicekit.settings import ServiceSettings

ROOT = Path(__file__).parents[3]


class Settings(ServiceSettings):
    service: ClassVar[str] = "probe"


class Seeks:
    """The consumer, as far as a batch needs it."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def seek(self, place: Any, offset: int) -> None:
        self.asked.append((place.partition, offset))


def records(partition: int, *offsets: int) -> list[Any]:
    return [
        SimpleNamespace(
            topic="t",
            partition=partition,
            offset=o,
            timestamp=1_764_000_000_000,
            key=None,
            value=b"{}",
            headers=(),
        )
        for o in offsets
    ]


@pytest.fixture
def seeks() -> Seeks:
    return Seeks()


@pytest.fixture
def partitions(seeks: Seeks) -> Partitions:
    nothing: Any = None
    return Partitions(
        "t",
        "g",
        {0: 5, 1: 0},
        nothing,
        consumer=seeks,
        publisher=nothing,
        rereader=nothing,
        redis=nothing,
        pool=nothing,
    )


def ids(taken: list[Any]) -> list[str]:
    return [entry_id for entry_id, _ in taken]


def test_a_batch_that_begins_at_the_committed_offset_is_taken(partitions: Partitions, seeks: Seeks) -> None:
    assert ids(partitions.take(records(0, 5, 6))) == ["t-0-5", "t-0-6"]
    assert seeks.asked == []
    assert partitions.progress[0].low == 5


def test_a_batch_from_before_the_rebalance_is_left_out_and_read_again(
    partitions: Partitions, seeks: Seeks
) -> None:
    """It was read after offsets 5 and 6, which its conversation may still wait for."""
    assert ids(partitions.take([*records(0, 7, 8), *records(1, 0)])) == ["t-1-0"]
    assert seeks.asked == [(0, 5)]
    assert ids(partitions.take(records(0, 5, 6, 7))) == ["t-0-5", "t-0-6", "t-0-7"]


def test_what_is_gone_from_the_topic_is_asked_for_once(partitions: Partitions, seeks: Seeks) -> None:
    assert partitions.take(records(0, 9)) == []
    assert ids(partitions.take(records(0, 9))) == ["t-0-9"]
    assert ids(partitions.take(records(0, 11))) == ["t-0-11"]
    assert seeks.asked == [(0, 5)]


def test_partitions_of_others_are_left_to_them(partitions: Partitions) -> None:
    assert partitions.take(records(2, 0)) == []


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("kafka://broker", ["broker:9092"]),
        ("kafka://a:1,b:2", ["a:1", "b:2"]),
        ("kafkas://a,b:9093", ["a:9092", "b:9093"]),
    ],
)
def test_addresses(url: str, servers: list[str]) -> None:
    address = KafkaAddress.parse(url)
    assert address.servers == servers
    protocol = parse_security(address.security).get("security_protocol", "PLAINTEXT")
    assert protocol == ("SSL" if url.startswith("kafkas") else "PLAINTEXT")


def test_credentials_are_read_and_never_shown() -> None:
    address = KafkaAddress.parse("kafkas://me:p%40ss@a,b?mechanism=scram-sha-512")
    security = parse_security(address.security)
    assert security["sasl_mechanism"] == "SCRAM-SHA-512"
    assert security["security_protocol"] == "SASL_SSL"
    assert (security["sasl_plain_username"], security["sasl_plain_password"]) == ("me", "p@ss")
    assert "p@ss" not in repr(address)


@pytest.mark.parametrize("url", ["kafka://", "kafka:host", "kafka://u:p@a?mechanism=magic"])
def test_a_wrong_address_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValueError, match="EVENT_BUS_URL"):
        Settings(event_bus_url=url, auth_mode="dev")


def _consumers(path: Path) -> list[ast.Call]:
    """The calls that make a consumer: aiokafka's, and FastStream's subscriber in ``TopicReader``."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [
        call
        for call in calls
        if getattr(call.func, "id", getattr(call.func, "attr", "")) == "AIOKafkaConsumer"
        or (getattr(call.func, "attr", "") == "subscriber" and _given(call, "group_id"))
    ]


def _given(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def test_whoever_reads_records_reads_those_of_committed_transactions_only() -> None:
    files = [
        path
        for folder in ("libs", "apps", "services", "tests", "benchmarks", "deploy")
        for path in (ROOT / folder).rglob("*.py")
        if "node_modules" not in path.parts and "Kafka" in path.read_text()
    ]
    consumers = [(path, call) for path in files for call in _consumers(path)]
    assert len(consumers) >= 5
    others = [
        f"{path}:{call.lineno}"
        for path, call in consumers
        if not isinstance(level := _given(call, "isolation_level"), ast.Constant)
        or level.value != "read_committed"
    ]
    assert others == []
