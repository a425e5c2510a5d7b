"""Commands and facts on Kafka (the extra ``kafka``): CloudEvents' Kafka binding in binary mode."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from takaro_agent_client.events.envelope import Fact, Outgoing, fact_of
from takaro_agent_client.events.memory import InProcess, Memory, handled, recognise

_PLAIN = ("traceparent", "tracestate", "baggage")
"""Attributes whose header has no prefix, because W3C defines the header."""


async def publish(producer: AIOKafkaProducer, commands: Sequence[Outgoing]) -> None:
    """Append commands, each acknowledged before the next. Commands of one key keep their order.

    Make the producer with ``acks="all"`` and ``enable_idempotence=True``.
    """
    for command in commands:
        attributes = {name: text for name, text in command.fields.items() if name != "data"}
        headers = [("ce_specversion", b"1.0"), ("content-type", b"application/json")]
        headers += [
            (name if name in _PLAIN else f"ce_{name}", text.encode()) for name, text in attributes.items()
        ]
        await producer.send_and_wait(
            command.stream,
            value=command.fields["data"].encode(),
            key=None if command.key is None else command.key.encode(),
            headers=headers,
        )


def consumer(*topics: str, group: str, **connection: Any) -> AIOKafkaConsumer:
    """A consumer as :func:`follow` needs it: from the start, committed by hand, without aborted records.

    ``connection`` are aiokafka's arguments, as ``bootstrap_servers``. Start and stop it yourself.
    """
    return AIOKafkaConsumer(
        *topics,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        **connection,
    )


async def follow(
    consumer: AIOKafkaConsumer, *, memory: Memory | None = None, wait_milliseconds: int = 1_000
) -> AsyncGenerator[Fact | None, None]:
    """Facts as they come, and ``None`` when there was nothing new for a while.

    A fact counts as handled when the next one is asked for. Offsets are committed after each batch: facts
    that were handled since then come again after a crash. A ``memory`` of yours, in the transaction of your
    effects, recognises them.
    """
    memory = memory or InProcess()
    while True:
        batches = await consumer.getmany(timeout_ms=wait_milliseconds)
        if not batches:
            yield None
        for partition, records in batches.items():
            for record in records:
                fact = _fact(record)
                if fact is None:
                    continue
                if (new := recognise(memory, fact)) is not None:
                    yield new
                handled(memory, fact)
            await consumer.commit({partition: records[-1].offset + 1})


def _fact(record: Any) -> Fact | None:
    """``None`` for a tombstone and for what isn't an event."""
    if record.value is None:
        return None
    fields = {name.removeprefix("ce_"): _text(value or b"") for name, value in record.headers}
    fields["data"] = _text(record.value)
    return fact_of(record.topic, f"{record.partition}-{record.offset}", fields)


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
