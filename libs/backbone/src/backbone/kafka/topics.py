"""Creates missing topics, for operators who don't create them themselves."""

from collections.abc import Sequence

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from backbone.kafka.address import KafkaAddress

log = structlog.get_logger()

PARTITIONS = 6
REPLICAS = 3
RECORD_BYTES = 8 * 1024 * 1024
"""The largest record: a message of 4 MiB, as HTTP accepts it, in its envelope. Kafka's default is 1 MiB."""
CONFIGS = {"max.message.bytes": str(RECORD_BYTES)}


async def ensure_topics(address: KafkaAddress, topics: Sequence[str]) -> None:
    """Create the missing ``topics``, with :data:`PARTITIONS` partitions and up to :data:`REPLICAS` replicas.

    A cluster that refuses leaves it to its operator, so the refusal is only logged. Raises ``KafkaError`` if
    no broker answers.
    """
    admin = AIOKafkaAdminClient(**address.client_arguments(), client_id="takaro", request_timeout_ms=5_000)
    try:
        await admin.start()
        missing = sorted(set(topics) - set(await admin.list_topics()))
        if not missing:
            return
        replicas = min(REPLICAS, len((await admin.describe_cluster())["brokers"]))
        try:
            answer = await admin.create_topics(
                [NewTopic(t, PARTITIONS, replicas, topic_configs=CONFIGS) for t in missing]
            )
        except KafkaError as error:
            log.warning("topics not created", topics=missing, error=repr(error))
            return
        for topic, code, *_ in answer.topic_errors:
            if code == 0:
                log.info("topic made", topic=topic, partitions=PARTITIONS, replicas=replicas)
            elif code != TopicAlreadyExistsError.errno:
                log.warning("topic not created", topic=topic, error=for_code(code).__name__)
    finally:
        await admin.close()
