"""What chat's commands refuse: everything that Postgres could not store unchanged."""

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from common import codec
from contracts.chat import (
    MAX_CONTENT,
    MAX_USER_CONTENT,
    TYPES,
    AppendMessage,
    CreateConversation,
    PatchState,
    SetTitle,
)
from contracts.storable import MAX_DEPTH

ID = "0190d7a0-1111-7222-8333-444455556666"


def append(**fields: Any) -> AppendMessage:
    return AppendMessage.model_validate_json(
        codec.dumps({"conversationId": ID, "role": "assistant", "content": "hi", **fields})
    )


def test_a_message_takes_everything_that_the_columns_hold() -> None:
    message = append(
        toolCalls=[{"id": "t1", "result": {"success": True}}],
        toolResults={"any": "object"},
        tokenCount=2**31 - 1,
        latencyMs=0,
        model="m" * 100,
        unknown="is ignored",
    )
    assert message.conversation_id == UUID(ID)
    assert message.tool_calls == [{"id": "t1", "result": {"success": True}}]
    assert message.token_count == 2**31 - 1


@pytest.mark.parametrize(
    "fields",
    [
        {"conversationId": "nope"},
        {"role": "moderator"},
        {"role": "x" * 21},
        {"content": None},
        {"content": "x" * (MAX_CONTENT + 1)},
        {"content": "a\u0000b"},
        {"role": "user", "content": ""},
        {"role": "user", "content": "x" * (MAX_USER_CONTENT + 1)},
        {"toolCalls": {"no": "array"}},
        {"toolCalls": "[]"},
        {"toolCalls": [{"a\u0000": 1}]},
        {"toolCalls": [["\u0000"]]},
        {"toolResults": "text"},
        {"tokenCount": 2**31},
        {"tokenCount": -1},
        {"tokenCount": "12"},
        {"tokenCount": True},
        {"latencyMs": 1.5},
        {"latencyMs": 2**40},
        {"model": "m" * 101},
    ],
)
def test_a_message_that_the_columns_cannot_hold_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        append(**fields)


@pytest.mark.parametrize(
    "tool_calls",
    [
        b"[NaN]",
        b"[Infinity]",
        b"[1e999]",
        b"[18446744073709551616]",
        b'["\\ud800"]',
        b"[" * (MAX_DEPTH + 5) + b"]" * (MAX_DEPTH + 5),
    ],
)
def test_json_that_would_not_come_back_as_it_went_in_is_refused(tool_calls: bytes) -> None:
    raw = b'{"conversationId": "%s", "role": "tool", "content": "", "toolCalls": %s}' % (
        ID.encode(),
        tool_calls,
    )
    with pytest.raises(ValidationError):
        AppendMessage.model_validate_json(raw)


def test_other_languages_and_emoji_pass() -> None:
    assert append(content="héllo 👋 日本").content == "héllo 👋 日本"


def test_lone_surrogates_from_python_are_refused() -> None:
    with pytest.raises(ValidationError):
        SetTitle(conversation_id=UUID(ID), title="\ud800")


@pytest.mark.parametrize(
    "fields",
    [
        {"userId": "u" * 256},
        {"userId": ""},
        {"agentId": ""},
        {"agentId": "a" * 152},
        {"agentVersion": "v" * 51},
        {"title": "t" * 256},
        {"provider": "p" * 51},
        {"metadata": []},
        {"state": "text"},
        {"id": "nope"},
    ],
)
def test_a_conversation_that_the_columns_cannot_hold_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CreateConversation.model_validate({"agentId": "module-writer", "userId": "u", **fields})


def test_a_patch_must_be_an_object() -> None:
    with pytest.raises(ValidationError):
        PatchState.model_validate({"conversationId": ID, "patch": [1]})
    assert PatchState.model_validate({"conversationId": ID, "patch": {"a": None}}).patch == {"a": None}


def test_a_title_must_be_said_even_when_it_is_null() -> None:
    assert SetTitle.model_validate({"conversationId": ID, "title": None}).title is None
    with pytest.raises(ValidationError):
        SetTitle.model_validate({"conversationId": ID})


def test_types_are_named_as_the_architecture_lists_them() -> None:
    assert set(TYPES) == {
        "chat.conversation.create.v1",
        "chat.message.append.v1",
        "chat.conversation.state.patch.v1",
        "chat.conversation.state.replace.v1",
        "chat.conversation.title.set.v1",
        "chat.conversation.agent_version.set.v1",
        "chat.conversation.delete.v1",
        "chat.agent.announce.v1",
        "chat.tool.announce.v1",
        "chat.conversation.created.v1",
        "chat.conversation.state_changed.v1",
        "chat.conversation.state_changed.v2",
        "chat.conversation.titled.v1",
        "chat.conversation.agent_version_changed.v1",
        "chat.conversation.deleted.v1",
        "chat.conversation.forked.v1",
        "chat.message.appended.v1",
        "chat.message.replaced.v1",
        "chat.message.redacted.v1",
        "chat.message.feedback_given.v1",
        "chat.message.feedback_removed.v1",
        "chat.user.erased.v1",
        "chat.turn.chunk.v1",
        "chat.turn.requested.v1",
        "chat.turn.started.v1",
        "chat.turn.awaiting.v1",
        "chat.turn.answered.v1",
        "chat.turn.finished.v1",
        "chat.turn.failed.v1",
        "chat.turn.cancelled.v1",
        "chat.turn.interrupted.v1",
        "chat.agent.created.v1",
        "chat.agent.updated.v1",
        "chat.agent.deleted.v1",
        "chat.command.rejected.v1",
    }
