"""What keeps others out of a turn."""

from chat.messages import repository as messages
from chat.states import repository as states
from tests.support.without.patch import Patch


def fence_of_turns(patch: Patch) -> None:
    """Who waited for the conversation while a turn was taken writes as if none had been."""
    for name in ("INSERT_MESSAGES", "INSERT_FEW_MESSAGES"):
        patch.setattr(messages, name, getattr(messages, name).replace(messages.FENCE, "true"))
    patch.setattr(states, "UPDATE_STATES", states.UPDATE_STATES.replace(states.FENCE, "true"))
