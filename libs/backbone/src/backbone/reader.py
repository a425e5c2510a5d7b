"""FastStream as the reader of streams and topics, with everything one must know about it.

FastStream connects, blocks, polls, and speaks Kafka's group protocol. This module handles its quirks behind
:class:`Reader`:

- It ignores handler errors and lost connections, and reads on. Here both are reported to the owner.
- While Redis refuses a read, it retries at once, without a pause. Here the refusal is reported to the owner.
- When a group is gone it stops for ever and asks for a restart. Here its owner creates the group again.
- It fixes the size of a read when it subscribes. A ``Window`` decides before each read instead.
- It makes deep copies of its configuration. A ``Window`` is its own copy.
- One entry that it can't parse fails the whole batch. Here entries are passed on unparsed.
- A subscriber claims to be running after its task has ended. ``is_reading`` checks the task.

Written for FastStream 0.7. Only this file imports its private names.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from faststream import AckPolicy
from faststream.redis import RedisBroker, StreamSub
from faststream.redis.message import FAKE_CONSUMER, RedisBatchStreamMessage
from faststream.redis.parser import BinaryMessageFormatV1
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError, ResponseError

from common.errors import is_outage
from common.redis_clients import connection_of

if TYPE_CHECKING:
    from faststream.security import BaseSecurity

    from backbone.events import RawEntry
    from backbone.window import Window

BLOCK_MILLISECONDS = 1_000
"""How long one read waits: less than the socket timeout of 5 s and a lease's time to live."""

OnEntries: TypeAlias = "Callable[[list[RawEntry]], Awaitable[None]]"
OnRecords: TypeAlias = Callable[[tuple[Any, ...]], Awaitable[None]]


class Reader(Protocol):
    """Reads batches and passes them on, from start to stop. Can't be restarted."""

    @property
    def is_reading(self) -> bool:
        """Whether it reads: it was started and hasn't ended by itself."""

    async def start(self) -> None:
        """Connect and start to read."""

    async def stop(self) -> None:
        """Stop reading and close the connections."""


class StreamReader:
    """A :class:`Reader` of one Redis stream, as ``consumer`` of ``group``.

    ``on_entries`` receives each batch unparsed. ``on_interruption`` is called after anything that may have
    lost a reply which the server counts as delivered: a lost connection, a refusal, an error of
    ``on_entries``.
    """

    def __init__(
        self,
        url: str,
        stream: str,
        *,
        group: str,
        consumer: str,
        window: "Window",
        on_entries: OnEntries,
        on_interruption: Callable[[], None],
        grace_seconds: float,
    ) -> None:
        self._broker = RedisBroker(
            url,
            logger=_faststream_log(),
            log_level=logging.DEBUG,
            apply_types=False,
            graceful_timeout=grace_seconds,
            retry=Retry(NoBackoff(), 0),
            connection_class=_watched(connection_of(url), on_interruption),  # type: ignore[arg-type]
        )
        self._subscriber = self._broker.subscriber(
            stream=_PacedStream(
                window,
                stream,
                group=group,
                consumer=consumer,
                batch=True,
                polling_interval=BLOCK_MILLISECONDS,
            ),
            parser=_as_it_is,
            decoder=_entries_of,
            ack_policy=AckPolicy.MANUAL,
        )

        async def on_batch(entries: "list[RawEntry]") -> None:
            try:
                await on_entries(entries)
            except BaseException:
                on_interruption()
                raise

        self._subscriber(on_batch)

    @property
    def is_reading(self) -> bool:
        return self._subscriber.running and not all(task.done() for task in self._subscriber.tasks)

    async def start(self) -> None:
        await self._broker.connect()
        await self._subscriber.start()

    async def stop(self) -> None:
        await self._subscriber.stop()
        await self._broker.stop()


class TopicReader:
    """A :class:`Reader` of one Kafka topic, as a member of ``group``.

    Records of an aborted transaction are left out; those of an open one come when it commits.

    ``settings`` are aiokafka's, under FastStream's names; ``listener`` is aiokafka's rebalance listener.
    """

    def __init__(
        self,
        servers: list[str],
        security: "BaseSecurity | None",
        topic: str,
        *,
        group: str,
        client_id: str,
        listener: Any,
        on_records: OnRecords,
        grace_seconds: float,
        settings: dict[str, Any],
    ) -> None:
        # Imported here, so that a service on Redis Streams doesn't load aiokafka.
        from faststream.kafka import KafkaBroker
        from faststream.kafka.message import FAKE_CONSUMER as NO_CONSUMER
        from faststream.kafka.message import KafkaMessage

        async def as_it_is(message: Any) -> KafkaMessage:
            return KafkaMessage(raw_message=message, body=b"", consumer=NO_CONSUMER)

        async def records_of(message: KafkaMessage) -> Any:
            return message.raw_message

        self._broker = KafkaBroker(
            servers,
            security=security,
            consumer_only=True,
            client_id=client_id,
            logger=logging.getLogger("faststream"),
            log_level=logging.DEBUG,
            apply_types=False,
            graceful_timeout=grace_seconds,
        )
        self._subscriber: Any = self._broker.subscriber(
            topic,
            group_id=group,
            batch=True,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            isolation_level="read_committed",
            listener=listener,
            parser=as_it_is,
            decoder=records_of,
            **settings,
        )
        self._subscriber(on_records)

    @property
    def is_reading(self) -> bool:
        return bool(self._subscriber.running)

    @property
    def consumer(self) -> Any:
        """aiokafka's consumer; ``None`` before the start."""
        return self._subscriber.consumer

    async def start(self) -> None:
        await self._broker.connect()
        await self._subscriber.start()

    async def stop(self) -> None:
        await self._subscriber.stop()
        await self._broker.stop()


def read_binary(raw: bytes) -> tuple[bytes, object]:
    """Body and headers of a ``__data__`` field, as FastStream's publisher writes it: binary or JSON.

    Any program can write the field, so this raises whatever the parser raises.
    """
    return BinaryMessageFormatV1.parse(raw)


def security_arguments(security: "BaseSecurity | None") -> dict[str, Any]:
    """The arguments by which aiokafka's clients secure their connections."""
    from faststream.kafka.security import parse_security

    return parse_security(security)


def _faststream_log() -> logging.Logger:
    """FastStream's log without the interruptions that are reported to the owner, who heals and logs them."""
    log = logging.getLogger("faststream")
    log.addFilter(_is_news)  # the same one again has no effect
    return log


def _is_news(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not (record.getMessage() == "Message fetch error" and isinstance(error, RedisError))


class _PacedStream(StreamSub):
    """A stream whose read size is what the window says at that moment."""

    def __init__(self, window: "Window", *args: Any, **kwargs: Any) -> None:
        self.window = window
        super().__init__(*args, **kwargs)

    @property
    def max_records(self) -> int:
        """FastStream reads this before each read."""
        return self.window.count

    @max_records.setter
    def max_records(self, _: int | None) -> None:
        """FastStream's own fixed size is not used."""


def _watched(base: type[AbstractConnection], on_interruption: Callable[[], None]) -> type[AbstractConnection]:
    """A connection that reports when it is lost or refused. It never retries, so no lost reply goes
    unnoticed."""

    class Watched(base):  # type: ignore[valid-type,misc]
        async def disconnect(self, *args: object, **kwargs: object) -> None:
            on_interruption()
            await super().disconnect(*args, **kwargs)

        async def read_response(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return await super().read_response(*args, **kwargs)
            except ResponseError as error:
                if "NOGROUP" in str(error):
                    on_interruption()
                    raise Disconnected("the group is gone") from error
                if is_outage(error):
                    on_interruption()
                raise

    return Watched


async def _as_it_is(message: Any) -> RedisBatchStreamMessage:
    return RedisBatchStreamMessage(raw_message=message, body=b"", consumer=FAKE_CONSUMER, group=None)


async def _entries_of(message: RedisBatchStreamMessage) -> "list[RawEntry]":
    raw = message.raw_message
    return [
        (entry_id.decode(), fields) for entry_id, fields in zip(raw["message_ids"], raw["data"], strict=True)
    ]
