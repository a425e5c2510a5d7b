"""Erasing users: everybody may erase themselves, the scope ``operator`` anybody."""

from uuid import UUID

from takaro_agent_client.calls import Call, call, path
from takaro_agent_client.models import Erasure, ErasureReceipt


def erase_me() -> Call[Erasure]:
    """Erase everything that all services store of the caller. Nothing brings it back."""
    return call("chat", "DELETE", path("users", "me"), Erasure.model_validate)


def erase(user_id: str) -> Call[Erasure]:
    """Erase everything that all services store of a user."""
    return call("chat", "POST", path("erasures"), Erasure.model_validate, body={"userId": user_id})


def get(id: UUID | str) -> Call[ErasureReceipt]:
    """What was erased so far."""
    return call("chat", "GET", path("erasures", id), ErasureReceipt.model_validate)
