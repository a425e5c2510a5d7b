"""The newest facts are kept once, in order, within their bytes, and without what was taken away."""

from typing import Any

import pytest

from chat.live.recent_facts import RecentFacts
from chat.live.records import LiveFact
from common import codec

APPENDED, DELETED = "chat.message.appended.v1", "chat.conversation.deleted.v1"
REDACTED, FEEDBACK = "chat.message.redacted.v1", "chat.message.feedback_given.v1"


def fact(sequence: int, subject: str = "a", type: str = APPENDED, **data: Any) -> LiveFact:
    said = codec.dumps(data)
    return LiveFact(
        f"{subject}{sequence}", "/takaro/chat", type, subject, "2026-11-28T12:00:00Z", sequence, said
    )


def keep(*facts: LiveFact, most: int = 1_000_000) -> RecentFacts:
    recent = RecentFacts(most)
    for each in facts:
        recent.add(each)
    return recent


def kept(recent: RecentFacts, subject: str = "a") -> list[int]:
    found, after = [], 0
    while (each := recent.next(subject, after)) is not None:
        found.append(after := each.sequence)
    return found


def test_a_fact_that_is_published_again_is_kept_once() -> None:
    recent = keep(fact(1), fact(2))
    assert [recent.add(fact(n)) for n in (1, 2, 3, 2, 3, 4)] == [False, False, True, False, False, True]
    assert kept(recent) == [1, 2, 3, 4]


def test_the_oldest_facts_leave_when_there_are_too_many_bytes() -> None:
    recent = keep(*(fact(n, subject) for n in range(1, 11) for subject in "ab"), most=9_500)
    assert kept(recent, "a") == [7, 8, 9, 10]
    assert kept(recent, "b") == [6, 7, 8, 9, 10]


def test_all_subjects_leave_in_the_end() -> None:
    recent = keep(*(fact(1, f"s{n}") for n in range(50)), most=5_500)
    assert [n for n in range(50) if kept(recent, f"s{n}")] == [45, 46, 47, 48, 49]


def test_a_redaction_takes_away_what_the_message_said() -> None:
    recent = keep(
        fact(1, messageId="m", content="a secret", toolCalls=[{"name": "secret"}]),
        fact(2, messageId="n", content="m"),
        fact(3, type=FEEDBACK, messageId="m", note="a secret", rating="up"),
        fact(4, type=REDACTED, messageId="m"),
    )
    said = [codec.loads(each.data) for n in range(4) if (each := recent.next("a", n))]
    assert said[0] == {"messageId": "m", "content": ""}
    assert said[1] == {"messageId": "n", "content": "m"}
    assert said[2] == {"messageId": "m", "rating": "up"}


@pytest.mark.parametrize("data", [{}, {"messageId": 7}], ids=["no id", "a number"])
def test_a_redaction_that_can_not_be_read_changes_nothing(data: dict[str, Any]) -> None:
    assert kept(keep(fact(1, content="m"), fact(2, type=REDACTED, **data))) == [1, 2]


def test_of_a_deleted_conversation_only_the_deletion_is_kept() -> None:
    recent = keep(fact(1, content="a secret"), fact(2, type=DELETED))
    assert kept(recent) == [2]


def test_whoever_uses_the_id_of_a_deleted_conversation_again_sees_nothing_of_it() -> None:
    recent = keep(fact(1, content="a secret"), fact(2, type=DELETED), fact(3, content="new"))
    assert kept(recent) == [3]


def test_what_is_forgotten_leaves_no_bytes_behind() -> None:
    recent = keep(*(fact(n, content="x" * 900) for n in range(1, 4)), most=6_000)
    recent.forget(["a", "unknown"])
    assert kept(recent) == []
    for n in range(1, 4):
        recent.add(fact(n, "b", content="x" * 900))
    assert kept(recent, "b") == [1, 2, 3]
    recent.add(fact(4, "b", content="x" * 900))
    assert kept(recent, "b") == [2, 3, 4]
