"""The behaviour cases of the backbone, word for word the same on Kafka: they are run with this world."""

from tests.integration.backbone.test_effects import (
    test_a_bad_entry_never_holds_up_a_batch,
    test_a_rejected_command_leaves_a_dead_letter_and_a_fact_only,
    test_entries_published_before_the_first_start_are_handled,
    test_the_same_event_twice_has_one_effect_and_one_fact,
    test_the_same_id_with_other_content_is_rejected_once,
)
from tests.integration.backbone.test_failures import (
    test_a_locked_row_is_no_failure_and_holds_up_nobody_else,
    test_an_outage_is_waited_for_and_blamed_on_nobody,
    test_failures_are_counted_over_restarts,
    test_poison_is_buried_after_a_bounded_number_of_failures,
)

__all__ = [
    "test_a_bad_entry_never_holds_up_a_batch",
    "test_a_locked_row_is_no_failure_and_holds_up_nobody_else",
    "test_a_rejected_command_leaves_a_dead_letter_and_a_fact_only",
    "test_an_outage_is_waited_for_and_blamed_on_nobody",
    "test_entries_published_before_the_first_start_are_handled",
    "test_failures_are_counted_over_restarts",
    "test_poison_is_buried_after_a_bounded_number_of_failures",
    "test_the_same_event_twice_has_one_effect_and_one_fact",
    "test_the_same_id_with_other_content_is_rejected_once",
]
