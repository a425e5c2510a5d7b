"""Every case that runs on the stand-in of the plain tests, on Kafka itself."""

from tests.integration.kafka.test_binding import *  # noqa: F403
from tests.integration.kafka.test_partitions import (
    test_a_batch_that_waits_beyond_the_poll_interval_is_handled_in_the_end,
    test_a_failing_handler_holds_up_its_own_key_only,
    test_a_member_that_lost_a_partition_changes_nothing,
    test_a_service_reads_several_topics_in_one_group,
    test_no_offset_is_committed_past_an_entry_that_waits,
    test_partitions_are_shared_and_taken_over_in_order,
    test_ready_tells_whether_the_consumer_runs,
)
from tests.integration.kafka.test_same_behaviour import *  # noqa: F403
from tests.integration.kafka.test_services import test_chat_and_cockpit_speak_through_kafka

__all__ = [
    "test_chat_and_cockpit_speak_through_kafka",
    "test_a_batch_that_waits_beyond_the_poll_interval_is_handled_in_the_end",
    "test_a_failing_handler_holds_up_its_own_key_only",
    "test_a_member_that_lost_a_partition_changes_nothing",
    "test_no_offset_is_committed_past_an_entry_that_waits",
    "test_partitions_are_shared_and_taken_over_in_order",
    "test_a_service_reads_several_topics_in_one_group",
    "test_ready_tells_whether_the_consumer_runs",
]
