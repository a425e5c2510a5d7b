"""Handlers of the commands about states."""

from collections.abc import Sequence
from typing import Any

from backbone.handlers import BatchHandler, Command, Rejection
from chat.states import use_cases
from chat.states.records import Author, Limits, StateEdit
from chat.states.rules import LARGE_STATE_BYTES
from chat.turns.rules import digest_if_any
from common import codec
from common.errors import PermanentError
from common.postgres import Connection
from contracts.chat import PatchState, ReplaceState
from servicekit.conditions import Condition, VersionConflict


def patcher(limits: Limits) -> BatchHandler[PatchState]:
    """A handler that merges patches into states within ``limits``."""

    async def patch(
        connection: Connection, commands: Sequence[Command[PatchState]]
    ) -> list[Rejection | None]:
        """Apply the patches of a batch, each to the result of the one before."""
        edits = [_edit(c, c.data.patch) for c in commands]
        return _rejections(edits, await use_cases.edit_states(connection, edits, limits))

    return patch


def replacer(limits: Limits) -> BatchHandler[ReplaceState]:
    """A handler that replaces states within ``limits``."""

    async def replace(
        connection: Connection, commands: Sequence[Command[ReplaceState]]
    ) -> list[Rejection | None]:
        """Replace the states of a batch, in order."""
        edits = [_edit(c, c.data.state, replaces=True) for c in commands]
        return _rejections(edits, await use_cases.edit_states(connection, edits, limits))

    return replace


def _edit(
    command: Command[PatchState] | Command[ReplaceState], document: dict[str, Any], *, replaces: bool = False
) -> StateEdit:
    return StateEdit(
        command.data.conversation_id,
        document,
        Author(source=command.event.source),
        Condition(expected_version=command.data.expected_version),
        command.trace,
        replaces,
        digest_if_any(command.data.turn_token),
    )


def _rejections(edits: Sequence[StateEdit], outcomes: Sequence[object]) -> list[Rejection | None]:
    return [
        _rejection(edit, outcome) if isinstance(outcome, PermanentError) else None
        for edit, outcome in zip(edits, outcomes, strict=True)
    ]


def _rejection(edit: StateEdit, error: PermanentError) -> Rejection:
    """That of a lost race repeats no large state, as facts about states don't. It names the conversation, so
    that the erasure of a user finds it."""
    if not isinstance(error, VersionConflict):
        return Rejection.of(error)
    current: Any = error.fields["data"]
    if len(codec.dumps(current)) > LARGE_STATE_BYTES:
        current = {"version": current["version"], "stateOmitted": True}
    details = {"conversationId": str(edit.conversation_id), "data": current}
    return Rejection(error.code, error.reason, details)
