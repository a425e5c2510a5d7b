"""What distinguishes failures from outages, and one entry's failure from another's."""

from collections.abc import Sequence

from bullmq import Worker  # type: ignore[import-untyped]

from backbone import processor
from backbone.burials import Burials
from backbone.dead_letters import DeadLetter
from backbone.parking import Parking
from backbone.processor import Processor
from backbone.validation import Item
from common import postgres
from knowledge.queue.keeping_worker import KeepingWorker
from tests.support.without.patch import Patch


def isolation(patch: Patch) -> None:
    """Every entry of a failing batch counts as failed."""

    async def all_fail(self: Processor, items: Sequence[Item], error: Exception) -> None:
        for item in items:
            await self._fail(item, item.order_key, error)

    patch.setattr(Processor, "_isolate", all_fail)


def another_try(patch: Patch) -> None:
    """A transaction that met a deadlock fails."""
    patch.setattr(postgres, "ATTEMPTS", 1)


def parking(patch: Patch) -> None:
    """Successors of a waiting entry are handled before it."""
    patch.setattr(Parking, "__contains__", lambda *_: False)


def telling_outages(patch: Patch) -> None:
    """An outage counts as a failure like any other."""
    patch.setattr(processor, "is_outage", lambda _: False)
    patch.setattr(processor, "is_transient", lambda _: False)


def counting_of_failures(patch: Patch) -> None:
    """Every failure counts as temporary."""
    patch.setattr(processor, "is_transient", lambda _: True)


def memory_of_letters(patch: Patch) -> None:
    """Forgets which entries became dead letters."""

    async def all_new(_: Burials, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        return list(letters)

    patch.setattr(Burials, "new", all_new)


def reading_of_jobs(patch: Patch) -> None:
    """BullMQ's Python port reads the jobs that it takes by itself."""
    patch.setattr(KeepingWorker, "nextJobFromJobData", Worker.nextJobFromJobData)
