"""HTTP of signing in: who is calling, and the page ``/login``."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from chat.sign_in.page import render
from chat.sign_in.rules import local_path, pasted_token
from chat.sign_in.wire import MeJson, me_json, parse_form
from common.errors import NotAuthenticated, TakaroError, TransientError
from servicekit.answers import JSONAnswer, data
from servicekit.auth import Authenticator, CallerParam
from servicekit.auth.login_cookie import MAX_VALUE, delete_login, read_cookies, set_login
from servicekit.openapi import answering
from servicekit.routing import create_api_router

_NO_TOKEN = "This is no valid token, or it has expired."  # noqa: S105 - a sentence
_TOO_LONG = f"A token over {MAX_VALUE:,} characters fits into no cookie. Ask for one with fewer claims."


def create_router(ways: frozenset[str], takaro: str | None) -> APIRouter:
    """Routes for the ways of ``AUTH_MODE``; ``takaro`` is where people sign in to Takaro."""
    router = create_api_router("", ["sign-in"])

    @router.get("/auth/me", **answering(MeJson))
    async def get_me(caller: CallerParam) -> JSONAnswer:
        """The caller: id, email and name, as far as the credentials say them."""
        return data(me_json(caller))

    @router.get("/login", include_in_schema=False)
    async def get_login(request: Request) -> Response:
        onward = local_path(request.query_params.get("next"))
        signed_in = read_cookies(request.scope)[0] is not None
        try:
            caller = await _authenticator(request).caller(request)
        except NotAuthenticated:
            return render(ways, takaro=takaro)
        except TransientError as error:
            return render(ways, takaro=takaro, fault=error.reason, status=error.status)
        return render(ways, caller=caller, can_sign_out=signed_in, onward=onward)

    @router.post("/login", include_in_schema=False)
    async def post_login(request: Request) -> Response:
        _authenticator(request).require_own_page(request)
        form = parse_form(await request.body())
        if form.sign_out:
            answer = _onward(None)
            delete_login(answer, request.scope)
            return answer
        secret = form.secret if "dev" in ways else pasted_token(form.secret)
        try:
            if not secret:
                raise NotAuthenticated(_NO_TOKEN)
            if len(secret) > MAX_VALUE:
                return render(ways, takaro=takaro, fault=_TOO_LONG, status=413)
            caller = await _authenticator(request).caller_of(secret)
        except NotAuthenticated:
            fault = "A name is needed." if "dev" in ways else _NO_TOKEN
            return render(ways, takaro=takaro, fault=fault, status=401)
        except TakaroError as error:
            return render(ways, takaro=takaro, fault=error.reason, status=error.status)
        answer = _onward(local_path(request.query_params.get("next")))
        set_login(answer, request.scope, secret, caller.seconds_left())
        return answer

    return router


def _authenticator(request: Request) -> Authenticator:
    found: Authenticator = request.app.state.authenticator
    return found


def _onward(path: str | None) -> Response:
    """To ``path``, or back to this page, wherever a proxy has it."""
    return RedirectResponse(path or "?", status_code=303, headers={"Cache-Control": "no-store"})
