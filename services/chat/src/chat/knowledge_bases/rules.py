"""What chat keeps of a knowledge base. No I/O."""

from datetime import datetime

from chat.knowledge_bases.records import ToldBase
from common.errors import Invalid
from contracts.knowledge import BaseUpdated
from contracts.storable import check_text

MAX_ID = 255
MAX_TEXT = 10_000


def told_base(data: BaseUpdated) -> ToldBase:
    """What the fact tells. Of a deleted base only that it was. Raises :class:`Invalid` for texts that can't
    be stored."""
    owner = data.owner_id
    for text, most in (
        (data.knowledge_base_id, MAX_ID),
        (data.name, MAX_TEXT),
        (data.description or "", MAX_TEXT),
        (owner or "", MAX_ID),
    ):
        _check(text, most)
    if data.deleted:
        return ToldBase(data.knowledge_base_id, "", "", None, False, data.revision, deleted=True)
    public = owner is None if data.public is None else data.public
    return ToldBase(
        data.knowledge_base_id, data.name, data.description, owner, public, data.revision, deleted=False
    )


def is_erased(told_at: datetime | None, user_erased_at: datetime | None, *, subject_erased: bool) -> bool:
    """Whether a fact is older than the erasure of the base's owner, or about a base that was erased and not
    made again."""
    if subject_erased:
        return True
    return user_erased_at is not None and (told_at is None or told_at < user_erased_at)


def _check(text: str, most: int) -> None:
    if len(text) > most:
        raise Invalid(f"A text of the knowledge base has more than {most} characters")
    try:
        check_text(text)
    except ValueError as error:
        raise Invalid(f"A text of the knowledge base {error}") from None
