"""The one place that takes mechanisms out of the product, which has no switches for this.

Each function is named for the mechanism that it takes out, and replaces exactly that, in this process:
``without.inbox(monkeypatch)`` in a test; ``tests/proof/launch.py`` does so in a service.
"""

from tests.support.without.bounds import (
    asking_the_groups,
    counting_of_bytes,
    notes_of_silence,
    pruning_of_the_inbox,
    read_ahead_limit,
    reader_processes,
    sweep_of_consumers,
)
from tests.support.without.erasing import deletion_of_entries
from tests.support.without.exactly_once import (
    acknowledgement_after_commit,
    inbox,
    natural_keys,
    record_of_replays,
)
from tests.support.without.facts import (
    deletion_of_published,
    keeping_until_published,
    notifications,
    order_of_facts,
    poll,
)
from tests.support.without.failures import (
    another_try,
    counting_of_failures,
    isolation,
    memory_of_letters,
    parking,
    reading_of_jobs,
    telling_outages,
)
from tests.support.without.ids import (
    ages_by_the_clock,
    idleness_by_the_group,
    numbering_by_redis,
    remaking_at_the_beginning,
)
from tests.support.without.keys import idempotency_keys, joining
from tests.support.without.order import (
    drain,
    group_at_the_beginning,
    healing_of_groups,
    leaving_out_what_was_trimmed,
    offsets_that_wait,
    read_committed,
    read_fence,
    reports_of_lost_groups,
    watched_connections,
)
from tests.support.without.ownership import (
    fence,
    noticing_of_namesakes,
    partition_fence,
    patient_renewal,
    stop_limits,
    takeover,
)
from tests.support.without.patch import Patch
from tests.support.without.quotas import lock_of_counts
from tests.support.without.sessions import one_call_for_many, remembered_sessions
from tests.support.without.sockets import check_before_writing
from tests.support.without.turns import (
    fence_of_turns,
    messages_of_what_was_shown,
    time_of_turns,
    tokens_of_turns,
)

__all__ = [
    "Patch",
    "acknowledgement_after_commit",
    "ages_by_the_clock",
    "another_try",
    "asking_the_groups",
    "check_before_writing",
    "counting_of_bytes",
    "counting_of_failures",
    "deletion_of_entries",
    "deletion_of_published",
    "drain",
    "fence",
    "fence_of_turns",
    "group_at_the_beginning",
    "healing_of_groups",
    "idempotency_keys",
    "idleness_by_the_group",
    "inbox",
    "isolation",
    "joining",
    "keeping_until_published",
    "leaving_out_what_was_trimmed",
    "lock_of_counts",
    "memory_of_letters",
    "messages_of_what_was_shown",
    "natural_keys",
    "notes_of_silence",
    "noticing_of_namesakes",
    "notifications",
    "numbering_by_redis",
    "offsets_that_wait",
    "one_call_for_many",
    "order_of_facts",
    "parking",
    "partition_fence",
    "patient_renewal",
    "poll",
    "pruning_of_the_inbox",
    "read_ahead_limit",
    "read_committed",
    "reading_of_jobs",
    "reports_of_lost_groups",
    "read_fence",
    "reader_processes",
    "record_of_replays",
    "remaking_at_the_beginning",
    "remembered_sessions",
    "stop_limits",
    "sweep_of_consumers",
    "takeover",
    "telling_outages",
    "time_of_turns",
    "tokens_of_turns",
    "watched_connections",
]
