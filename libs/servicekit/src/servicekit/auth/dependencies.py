"""FastAPI dependencies of routes for authenticated callers."""

from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from common.errors import Forbidden
from servicekit.auth.caller import Caller
from servicekit.scopes import OPERATOR

if TYPE_CHECKING:
    from servicekit.auth.authenticator import Authenticator


async def require_caller(request: Request) -> Caller:
    """FastAPI dependency: the authenticated caller, or a 401. Checked once for each request."""
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:
        authenticator: Authenticator = request.app.state.authenticator
        caller = request.state.caller = await authenticator.caller(request)
    return caller


CallerParam = Annotated[Caller, Depends(require_caller)]
"""The dependency of routes for authenticated callers only."""


def check_operator(caller: Caller) -> None:
    """Raise :class:`Forbidden` for a caller without the scope ``operator``."""
    if OPERATOR not in caller.scopes:
        raise Forbidden(f"This needs a token with the scope `{OPERATOR}`", code="operator_only")


async def require_operator(caller: CallerParam) -> Caller:
    """FastAPI dependency: a caller with the scope ``operator``, or a 403."""
    check_operator(caller)
    return caller


OperatorParam = Annotated[Caller, Depends(require_operator)]
"""The dependency of routes for operators only."""
