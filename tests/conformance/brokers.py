"""The brokers that every case runs on, and the cases that can't hold on one of them, each with its reason."""

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

Broker: TypeAlias = Literal["redis", "tansu", "apache"]
"""Redis Streams; tansu, a Kafka-compatible broker in memory; Apache Kafka (marker ``kafka``)."""

BROKERS: tuple[Broker, ...] = get_args(Broker)
KAFKA: tuple[Broker, ...] = ("tansu", "apache")

_NO_PENDING_LIST = (
    "Kafka keeps one committed offset a partition, and no list of what was delivered: a reader asks again "
    "from its own position"
)
_SHARED = (
    "Kafka shares the partitions among all processes: "
    "tests/conformance/kafka/test_partitions.py::test_partitions_are_shared_and_taken_over_in_order"
)
_IN_USE = "Kafka deletes no group that has members, and keeps a topic's dead letters until its retention ends"

EXCEPTIONS: Mapping[str, Mapping[Broker, str]] = {
    "test_flat_entries_and_faststream_entries_are_both_read": dict.fromkeys(
        KAFKA,
        "FastStream's envelope is Redis's: to Kafka it writes headers and a value, "
        "tests/conformance/kafka/test_binding.py"
        "::test_a_type_and_a_value_are_all_that_is_required_of_others",
    ),
    "test_a_faststream_entry_keeps_its_identity_when_replayed": dict.fromkeys(
        KAFKA, "FastStream's envelope is Redis's"
    ),
    "test_a_lost_group_or_stream_heals_without_a_restart": dict.fromkeys(KAFKA, _IN_USE),
    "test_letters_that_were_dropped_stay_so_when_the_group_is_lost": dict.fromkeys(KAFKA, _IN_USE),
    "test_without_remembering_them_dropped_letters_come_back": dict.fromkeys(KAFKA, _IN_USE),
    "test_entries_that_were_trimmed_away_while_they_were_pending_hold_up_nobody": dict.fromkeys(
        KAFKA, _NO_PENDING_LIST
    ),
    "test_a_reply_lost_on_the_way_is_found_before_anything_newer_is_handled": dict.fromkeys(
        KAFKA, _NO_PENDING_LIST
    ),
    "test_one_of_two_processes_is_active_and_the_other_takes_over": dict.fromkeys(KAFKA, _SHARED),
    "test_a_holder_frozen_past_its_lease_changes_nothing": dict.fromkeys(
        KAFKA,
        "On Kafka a member that lost its row is still in the group, and takes the partition again: "
        "tests/conformance/kafka/test_partitions.py::test_a_member_that_lost_a_partition_changes_nothing",
    ),
}


def brokers_of(case: str, folder: str) -> list[Broker]:
    """Where a case runs: those in ``kafka/`` are about partitions and offsets, which only Kafka has."""
    of_folder = KAFKA if folder == "kafka" else BROKERS
    return [broker for broker in of_folder if broker not in EXCEPTIONS.get(case, {})]
