"""HTTP of the page on which people play. It holds nothing of anybody's: its scripts call the API with the
reader's own credentials."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from starlette.responses import HTMLResponse, Response

from cockpit.game.console import COMMANDS
from cockpit.play.page import ASSETS, POLICY, Command, Pages
from common.errors import NotAuthenticated, NotFound, TakaroError
from servicekit.routing import create_api_router

if TYPE_CHECKING:
    from servicekit.auth import Authenticator

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_KEPT = "public, max-age=31536000, immutable"


def create_router() -> APIRouter:
    """Routes of the page, and of what it loads."""
    router = create_api_router("", ["play"])
    pages = Pages(Command(entry.usage, entry.about) for entry in COMMANDS.values())

    @router.get("/play", include_in_schema=False)
    async def get_lobby(request: Request) -> HTMLResponse:
        return HTMLResponse(pages.lobby(signed_out=await _is_signed_out(request)), headers=_HEADERS)

    @router.get("/play/{conversation_id}", include_in_schema=False)
    async def get_game(request: Request, conversation_id: Annotated[UUID, Path()]) -> HTMLResponse:
        signed_out = await _is_signed_out(request)
        return HTMLResponse(pages.game(conversation_id, signed_out=signed_out), headers=_HEADERS)

    @router.get(f"{ASSETS}/{{digest}}/{{name}}", include_in_schema=False)
    async def get_asset(digest: str, name: str) -> Response:
        asset = pages.assets.get(name)
        if asset is None:
            raise NotFound("The page has no such file", code="asset_not_found")
        # While a release is rolled out, a page of the other one may ask here.
        kept = _KEPT if digest == pages.digest else "no-store"
        headers = {"Cache-Control": kept, "X-Content-Type-Options": "nosniff"}
        return Response(asset.content, media_type=asset.media_type, headers=headers)

    return router


async def _is_signed_out(request: Request) -> bool:
    """Whether the API would answer 401. What can't be known now is left to the page's own calls."""
    authenticator: Authenticator = request.app.state.authenticator
    try:
        await authenticator.caller(request)
    except NotAuthenticated:
        return True
    except TakaroError:
        return False
    return False
