"""Routes that know their caller before they read a body."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from enum import Enum
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from common.errors import Invalid
from servicekit.addresses import check_address
from servicekit.auth import require_caller
from servicekit.idempotency import AnsweredOnce, key_of
from servicekit.request_bodies import RequestBody, fault_of_body

WITHOUT_BODY = ("GET", "HEAD", "OPTIONS")


class GuardedRoute(APIRoute):
    """A route that authenticates first, and then reads the body within the limits of
    :class:`servicekit.request_bodies.RequestBody`.

    FastAPI by itself reads the body, of any size and for as long as it takes, before it runs dependencies.
    """

    keeps_answers = True
    """Whether answers are kept for an ``Idempotency-Key``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = explaining(super().get_route_handler())
        private, declares_body = needs_caller(self.dependant), self.body_field is not None
        once = query_names(self.dependant)

        async def guard(request: Request) -> Response:
            if private:
                await require_caller(request)
            check_address(request.scope, once)
            if request.method in WITHOUT_BODY:
                return await handle(request)
            body = RequestBody(request, request.app.state.body_timeout_seconds)
            keeps = private and request.method == "POST" and self.keeps_answers
            if keeps and (key := key_of(request.scope)) is not None:
                return await answer_once(request, key, await body.read(), handle)
            if declares_body:
                await body.read()  # FastAPI would answer any error in reading with a 400
            return await handle(Request(request.scope, body.receive))

        return guard


class SecretRoute(GuardedRoute):
    """A route whose answer has a secret, and so isn't kept: its function knows a repetition by the
    ``Idempotency-Key`` itself."""

    keeps_answers = False


class AttachingRoute(GuardedRoute):
    """A route whose answer may be an event stream, which isn't kept: what a request with an
    ``Idempotency-Key`` did is kept by its function (:func:`done_once`), which attaches a repetition to the
    same stream."""

    keeps_answers = False


async def done_once(request: Request, do: Callable[[], Awaitable[Response]]) -> Response:
    """The answer of ``do``; kept for the request's ``Idempotency-Key``, if it has one."""
    key = key_of(request.scope)
    if key is None:
        return await do()
    state = request.app.state
    answered: AnsweredOnce = state.answered_once
    return await answered.answer(state.resources.pool, request, key, await request.body(), do)


class StreamingRoute(GuardedRoute):
    """A route whose function reads the body itself, piece by piece (``request.stream()``). With an
    ``Idempotency-Key`` it is read as a whole before, within the limits of other bodies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        whole, handle = super().get_route_handler(), APIRoute.get_route_handler(self)

        async def guard(request: Request) -> Response:
            if self.keeps_answers and key_of(request.scope) is not None:
                return await whole(request)
            await require_caller(request)
            return await handle(request)

        return guard


class LongRoute(StreamingRoute):
    """A streaming route whose body may take hours: what it holds says itself what was sent before, so its
    answer isn't kept."""

    keeps_answers = False


def explaining(
    handle: Callable[[Request], Coroutine[Any, Any, Response]],
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """``handle``, which says of a body that isn't JSON why not: FastAPI doesn't, or takes it for a text."""

    async def explained(request: Request) -> Response:
        try:
            return await handle(request)
        except (RequestValidationError, HTTPException) as error:
            if fault := fault_of_body(request, error):
                raise Invalid("Validation failed", details={"body": [fault]}) from error
            raise

    return explained


async def answer_once(
    request: Request, key: str, body: bytes, handle: Callable[[Request], Awaitable[Response]]
) -> Response:
    """The answer of ``handle`` to a POST with this ``Idempotency-Key``, whose caller and body are known."""

    async def run() -> Response:
        read = RequestBody(request, 0, body)
        return await handle(Request(request.scope, read.receive))

    state = request.app.state
    answered: AnsweredOnce = state.answered_once
    return await answered.answer(state.resources.pool, request, key, body, run)


def create_api_router(
    prefix: str, tags: Sequence[str | Enum], *, route_class: type[GuardedRoute] = GuardedRoute
) -> APIRouter:
    """A router of a service's API, whose routes know their caller before they read a body."""
    return APIRouter(prefix=prefix, tags=list(tags), route_class=route_class)


def needs_caller(dependant: Dependant) -> bool:
    """Whether a route, or a dependency of it, depends on the caller."""
    return dependant.call is require_caller or any(needs_caller(each) for each in dependant.dependencies)


def query_names(dependant: Dependant) -> set[str]:
    """The query parameters of a route, and of its dependencies."""
    names = set()
    for field in dependant.query_params:
        form = field.field_info.annotation
        if isinstance(form, type) and issubclass(form, BaseModel):
            names |= {each.alias or name for name, each in form.model_fields.items()}
        else:
            names.add(field.alias)
    return names.union(*map(query_names, dependant.dependencies))
