"""What keeps others out of a turn."""

from types import ModuleType

from chat.messages import appending, turn_ending
from chat.messages import repository as messages
from chat.messages import turn_fence as fence_of_messages
from chat.pieces import use_cases as pieces
from chat.states import repository as states
from chat.states import turn_fence as fence_of_states
from chat.turns import repository as turns
from tests.support.without.patch import Patch, nothing


def fence_of_turns(patch: Patch) -> None:
    """Who waited for the conversation while a turn was taken writes as if none had been."""
    for name in ("INSERT_MESSAGES", "INSERT_FEW_MESSAGES", "INSERT_ALL_OR_NONE"):
        _without(patch, messages, name, appending.FENCE)
    _without(patch, states, "UPDATE_STATES", states.FENCE)


def time_of_turns(patch: Patch) -> None:
    """A token counts until somebody has ended its turn, however long ago its time was over."""
    in_time = turns.HELD_IN_TIME.format("c.id")
    _without(patch, messages, "INSERT_ALL_OR_NONE", in_time)
    _without(patch, states, "UPDATE_STATES", in_time)


def tokens_of_turns(patch: Patch) -> None:
    """Any runtime writes whenever it likes, with whatever token."""
    fence_of_turns(patch)
    time_of_turns(patch)
    for fence in (fence_of_messages, fence_of_states):
        patch.setattr(fence, "refusal", lambda *_: None)
    patch.setattr(pieces, "check", lambda *_: None)


def _without(patch: Patch, repository: ModuleType, statement: str, condition: str) -> None:
    patch.setattr(repository, statement, getattr(repository, statement).replace(condition, "true"))


def messages_of_what_was_shown(patch: Patch) -> None:
    """A turn that ends early leaves nothing of what it had shown."""
    patch.setattr(turn_ending, "append_shown", nothing)
