"""What keeps others out of a turn."""

from chat.messages import repository as messages
from chat.messages import turn_ending
from chat.messages import turn_fence as fence_of_messages
from chat.pieces import use_cases as pieces
from chat.states import repository as states
from chat.states import turn_fence as fence_of_states
from tests.support.without.patch import Patch, nothing


def fence_of_turns(patch: Patch) -> None:
    """Who waited for the conversation while a turn was taken writes as if none had been."""
    for name in ("INSERT_MESSAGES", "INSERT_FEW_MESSAGES"):
        patch.setattr(messages, name, getattr(messages, name).replace(messages.FENCE, "true"))
    patch.setattr(states, "UPDATE_STATES", states.UPDATE_STATES.replace(states.FENCE, "true"))


def tokens_of_turns(patch: Patch) -> None:
    """Any runtime writes whenever it likes, with whatever token."""
    fence_of_turns(patch)
    for fence in (fence_of_messages, fence_of_states):
        patch.setattr(fence, "refusal", lambda *_: None)
    patch.setattr(pieces, "check", lambda *_: None)


def messages_of_what_was_shown(patch: Patch) -> None:
    """A turn that ends early leaves nothing of what it had shown."""
    patch.setattr(turn_ending, "append_shown", nothing)
