"""Handlers of the commands about states."""

from collections.abc import Sequence

from backbone.handlers import BatchHandler, Command, Rejection
from chat.states import use_cases
from chat.states.records import Condition, StateEdit
from common.errors import PermanentError
from common.postgres import Connection
from contracts.chat import PatchState, ReplaceState


def patcher(state_max_bytes: int) -> BatchHandler[PatchState]:
    """A handler that merges patches into states of at most ``state_max_bytes``."""

    async def patch(
        connection: Connection, commands: Sequence[Command[PatchState]]
    ) -> list[Rejection | None]:
        """Apply the patches of a batch, each to the result of the one before."""
        edits = [
            StateEdit(c.data.conversation_id, c.data.patch, _condition(c.data.expected_version), c.trace)
            for c in commands
        ]
        return _rejections(await use_cases.edit_states(connection, edits, state_max_bytes))

    return patch


def replacer(state_max_bytes: int) -> BatchHandler[ReplaceState]:
    """A handler that replaces states by others of at most ``state_max_bytes``."""

    async def replace(
        connection: Connection, commands: Sequence[Command[ReplaceState]]
    ) -> list[Rejection | None]:
        """Replace the states of a batch, in order."""
        edits = [
            StateEdit(
                c.data.conversation_id,
                c.data.state,
                _condition(c.data.expected_version),
                c.trace,
                replaces=True,
            )
            for c in commands
        ]
        return _rejections(await use_cases.edit_states(connection, edits, state_max_bytes))

    return replace


def _condition(expected_version: int | None) -> Condition:
    return Condition(expected_version=expected_version)


def _rejections(outcomes: Sequence[object]) -> list[Rejection | None]:
    return [Rejection.of(outcome) if isinstance(outcome, PermanentError) else None for outcome in outcomes]
