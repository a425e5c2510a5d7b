"""Retention: how due conversations are parted, and which settings are taken."""

from uuid import UUID

import pytest
from pydantic import ValidationError

from chat.retention.records import Retention
from chat.retention.rules import CONVERSATIONS_AT_ONCE, MESSAGES_AT_ONCE, parts
from chat.settings import ChatSettings


@pytest.mark.parametrize(
    ("messages", "sizes"),
    [
        ([], []),
        ([MESSAGES_AT_ONCE * 9], [1]),
        ([1, MESSAGES_AT_ONCE * 9, 1], [1, 1, 1]),
        ([MESSAGES_AT_ONCE // 2] * 3, [2, 1]),
        ([0] * (CONVERSATIONS_AT_ONCE * 2 + 1), [CONVERSATIONS_AT_ONCE, CONVERSATIONS_AT_ONCE, 1]),
    ],
)
def test_a_transaction_has_few_conversations_and_messages(messages: list[int], sizes: list[int]) -> None:
    due = [(UUID(int=place), count) for place, count in enumerate(messages)]
    made = list(parts(due))
    assert [len(part) for part in made] == sizes
    assert [conversation_id for part in made for conversation_id in part] == [each for each, _ in due]


def test_nothing_is_deleted_unless_it_is_set() -> None:
    settings = ChatSettings(auth_mode="dev")
    days, by_agent = settings.conversation_retention_days, settings.conversation_retention_by_agent
    assert not Retention(days, by_agent).deletes()
    assert not Retention(None, {"module-writer": None}).deletes()
    assert Retention(None, {"module-writer": None, "custom": 3}).deletes()


@pytest.mark.parametrize(
    "wrong",
    [
        {"conversation_retention_days": 0},
        {"conversation_retention_by_agent": {"module-writer": 0}},
        {"conversation_retention_by_agent": {"module-writer/grok-fast": 3}},
        {"conversation_retention_by_agent": {"": 3}},
    ],
)
def test_a_retention_that_means_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="conversation_retention"):
        ChatSettings.model_validate({"auth_mode": "dev", **wrong})
