"""What makes a quota hold."""

from chat.quotas import repository
from tests.support.without.patch import Patch, nothing


def lock_of_counts(patch: Patch) -> None:
    """Messages of one user are counted by several at the same time."""
    patch.setattr(repository, "lock_users", nothing)
