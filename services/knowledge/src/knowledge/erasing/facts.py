"""The fact that data of a user was erased."""

from uuid import UUID

from backbone.erasing import Erased
from contracts.knowledge import UserErased


def erased(erasure_id: UUID, user_id: str, erased: Erased, finished: bool) -> UserErased:
    """Rows of a user were erased, or with ``finished`` all of them, and the entries too."""
    return UserErased(
        erasure_id=erasure_id,
        user_id=user_id,
        counts=dict(erased.counts),
        finished=finished,
        streams=dict(erased.streams),
        subjects=list(erased.subjects),
    )
