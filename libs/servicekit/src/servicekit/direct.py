"""Answers well-formed requests directly, without FastAPI's dependencies and the layers around them.

FastAPI solves a route's dependencies anew for each request, which costs several times what the work itself
does. Here each route is looked at once, when the service starts; a request whose caller, parameters and body
are valid goes straight to the route's function. Everything else (an unknown path, a value that doesn't fit,
another media type) goes through FastAPI, so that errors and documents have one home. Both ways use the
same validators.
"""

import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from inspect import isasyncgenfunction, isawaitable, iscoroutinefunction, isgeneratorfunction
from re import Pattern
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import BaseModel
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servicekit.addresses import check_address, is_suspicious
from servicekit.auth import require_caller
from servicekit.request_bodies import RequestBody
from servicekit.routing import WITHOUT_BODY, GuardedRoute, StreamingRoute

if TYPE_CHECKING:
    from fastapi.dependencies.models import Dependant

_JSON_TYPES = ("application/json", "application/json; charset=utf-8", "application/merge-patch+json")
_ALL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_BY_FASTAPI = (b"idempotency-key",)
"""A request with one of these headers takes the ordinary way."""

Endpoint = Callable[..., Coroutine[Any, Any, Response]]


class _Indirect(Exception):
    """The request is for FastAPI: it has something that isn't valid, or isn't understood here."""


@dataclass(slots=True, frozen=True)
class _Value:
    """A parameter: the endpoint's name for it, the name on the wire, and its validator."""

    name: str
    alias: str
    field: Any

    def of(self, raw: Any) -> Any:
        """The validated value; the default if ``raw`` is None. Raises :class:`_Indirect`."""
        info = self.field.field_info
        if raw is None:
            if info.is_required() or info.validate_default:
                raise _Indirect
            return deepcopy(self.field.default)
        value, errors = self.field.validate(raw)
        if errors:
            raise _Indirect
        return value


@dataclass(slots=True, frozen=True)
class _Arguments:
    """What a function is called with: that of a route, or of a dependency of it."""

    private: bool
    callers: Sequence[str]
    resources: Sequence[str]
    requests: Sequence[str]
    path: Sequence[_Value]
    query: Sequence[_Value]
    headers: Sequence[_Value]
    body: _Value | None
    dependencies: "Sequence[tuple[str, Callable[..., Any], _Arguments]]"


@dataclass(slots=True, frozen=True)
class _Plan:
    """How to answer a route's requests."""

    route: GuardedRoute
    call: Endpoint
    arguments: _Arguments


@dataclass(slots=True, frozen=True)
class _Candidate:
    """A route of one method, in the order in which FastAPI tries them. Without a plan it is FastAPI's."""

    regex: Pattern[str]
    plan: _Plan | None


class DirectRoutes:
    """ASGI middleware, the innermost: runs the function of a route, or hands the request to FastAPI.

    ``get_resources`` is the dependency that stands for the service's resources. Errors of a route's function
    are answered by the application's own handlers.
    """

    def __init__(self, app: ASGIApp, *, get_resources: Callable[..., Any]) -> None:
        self._app, self._get_resources = app, get_resources
        self._candidates: dict[str, list[_Candidate]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._find(scope) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        plan, path_params = found
        app: FastAPI = scope["app"]
        request, body, began = Request(scope, receive), None, False
        if scope["method"] not in WITHOUT_BODY:
            body = RequestBody(request, app.state.body_timeout_seconds)

        async def watched(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            values = await _bind(plan.arguments, path_params, request, body)
            scope["route"], scope["path_params"] = plan.route, path_params
            response = await plan.call(**values)
            await response(scope, receive, watched)
        except _Indirect:
            await self._app(scope, body.receive if body else receive, send)
        except Exception as error:
            handle = _handler_of(app, error)
            if began or handle is None:
                raise
            scope["route"] = plan.route
            response = await handle(request, error)
            await response(scope, receive, send)

    def _find(self, scope: Scope) -> tuple[_Plan, dict[str, Any]] | None:
        """The plan of the first route that matches, with its path's parameters; None if it has no plan."""
        if self._candidates is None:
            self._candidates = _plan_routes(scope["app"], self._get_resources)
        path = scope["path"]
        for candidate in self._candidates.get(scope["method"], ()):
            matched = candidate.regex.match(path)
            if matched is None:
                continue
            if candidate.plan is None or any(name in _BY_FASTAPI for name, _ in scope["headers"]):
                return None
            return candidate.plan, matched.groupdict()
        return None


def _handler_of(app: FastAPI, error: Exception) -> Callable[[Request, Exception], Any] | None:
    """The application's handler of an error. Those without one of their own are Starlette's, which logs
    them."""
    for kind in type(error).__mro__:
        if kind is not Exception and kind in app.exception_handlers:
            handler: Callable[[Request, Exception], Any] = app.exception_handlers[kind]
            return handler
    return None


async def _bind(
    wanted: _Arguments, path_params: Mapping[str, Any], request: Request, body: RequestBody | None
) -> dict[str, Any]:
    """The arguments of a function. The caller comes first: nobody else's body is read."""
    values: dict[str, Any] = {}
    if wanted.private:
        caller = await require_caller(request)
        for name in wanted.callers:
            values[name] = caller
    for name in wanted.resources:
        values[name] = request.app.state.resources
    for value in wanted.path:
        values[value.name] = value.of(path_params.get(value.alias))
    if is_suspicious(request.scope):
        check_address(request.scope, ())
    if wanted.query:
        query = request.scope["query_string"]
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True) if query else []
        given = dict(pairs)
        if len(given) < len(pairs):
            raise _Indirect
        for value in wanted.query:
            values[value.name] = value.of(given.get(value.alias))
    for value in wanted.headers:
        values[value.name] = value.of(request.headers.get(value.alias))
    for name in wanted.requests:
        values[name] = request if body is None else Request(request.scope, body.receive)
    if wanted.body is not None:
        assert body is not None
        raw = await body.read()
        values[wanted.body.name] = wanted.body.of(
            _parse(raw, request.headers.get("content-type", "")) if raw else None
        )
    for name, call, arguments in wanted.dependencies:
        found = call(**await _bind(arguments, path_params, request, body))
        values[name] = await found if isawaitable(found) else found
    return values


def _parse(raw: bytes, content_type: str) -> Any:
    """As FastAPI parses it. JSON's ``null`` is FastAPI's too, since None stands for no body here."""
    if content_type not in _JSON_TYPES:
        raise _Indirect
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _Indirect from error
    if value is None:
        raise _Indirect
    return value


def _plan_routes(app: FastAPI, get_resources: Callable[..., Any]) -> dict[str, list[_Candidate]]:
    """Each method's routes in the order in which FastAPI tries them."""
    found: dict[str, list[_Candidate]] = {}
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, WebSocketRoute):
            continue  # it takes no requests: those of its path are for the routes after it
        plan = _plan(context, get_resources)
        for method in context.methods or _ALL_METHODS:
            found.setdefault(method, []).append(_Candidate(context.path_regex, plan))
    return found


def _plan(context: RouteContext, get_resources: Callable[..., Any]) -> _Plan | None:
    """How to call a route's function; None if it needs something that only FastAPI gives it."""
    route = context.original_route
    if not isinstance(route, GuardedRoute) or isinstance(route, StreamingRoute):
        return None
    if not _answers_itself(route):
        return None
    arguments = _arguments(context.dependant, get_resources)
    return None if arguments is None else _Plan(route, route.endpoint, arguments)


def _arguments(dependant: "Dependant", get_resources: Callable[..., Any]) -> _Arguments | None:
    given: dict[Any, list[str]] = {require_caller: [], get_resources: []}
    dependencies = []
    for dependency in dependant.dependencies:
        name, call = dependency.name, dependency.call
        if name is None or call is None or isasyncgenfunction(call) or isgeneratorfunction(call):
            return None
        if call in given:
            given[call].append(name)
            continue
        nested = _arguments(dependency, get_resources)
        if nested is None:
            return None
        dependencies.append((name, call, nested))
    parameters = [*dependant.path_params, *dependant.query_params, *dependant.header_params]
    bodies = dependant.body_params
    if (
        dependant.cookie_params
        or dependant.response_param_name
        or dependant.background_tasks_param_name
        or len(bodies) > 1
        or any(_takes_many(field.field_info.annotation) for field in parameters)
        or any(getattr(field.field_info, "embed", None) for field in bodies)
    ):
        return None
    return _Arguments(
        bool(given[require_caller]) or any(nested.private for _, _, nested in dependencies),
        given[require_caller],
        given[get_resources],
        [dependant.request_param_name] if dependant.request_param_name else (),
        [_Value(field.name, field.alias, field) for field in dependant.path_params],
        [_Value(field.name, field.alias, field) for field in dependant.query_params],
        [_Value(field.name, field.alias.replace("_", "-"), field) for field in dependant.header_params],
        next((_Value(field.name, "", field) for field in bodies), None),
        dependencies,
    )


def _takes_many(annotation: Any) -> bool:
    """Whether a parameter can be given more than once, or is a model of several parameters."""
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    for kind in kinds:
        plain = get_origin(kind) or kind
        if isinstance(plain, type) and issubclass(
            plain, BaseModel | list | tuple | set | frozenset | Mapping
        ):
            return True
    return False


def _answers_itself(route: GuardedRoute) -> bool:
    """Whether the route's function is a coroutine that returns a response, as it declares."""
    answer = get_type_hints(route.endpoint).get("return")
    return iscoroutinefunction(route.endpoint) and isinstance(answer, type) and issubclass(answer, Response)
