"""The options that select dead letters, declared once for all commands."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, Literal

import typer

from backbone.redis_streams.letters import Filters
from takaro_operator.completion import complete_dead_stream, complete_type
from takaro_operator.entries import SUBJECT
from takaro_operator.output import parse_moment

Ids = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ID", help="Event ids, entry ids of the dead letters, or entry ids of the original entries."
    ),
]
Stream = Annotated[
    str | None,
    typer.Option(
        help="The stream they come from, such as chat.commands.", autocompletion=complete_dead_stream
    ),
]


def make_filters(
    ids: Ids = None,
    stream: Stream = None,
    type_: Annotated[
        str | None,
        typer.Option(
            "--type",
            metavar="GLOB",
            help="Event types, such as 'chat.message.*'.",
            autocompletion=complete_type,
        ),
    ] = None,
    kind: Annotated[
        Literal["invalid", "failed"] | None,
        typer.Option(help="invalid: refused at once. failed: its handler failed too often."),
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Text that the reason contains, in upper or lower case."),
    ] = None,
    subject: Annotated[str | None, typer.Option(help=SUBJECT)] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Failed since then: how long ago (10m, 2h, 3d) or an ISO time."),
    ] = None,
) -> Filters:
    """Raises ``typer.BadParameter`` if ``since`` isn't a time."""
    try:
        moment = parse_moment(since) if since else None
    except ValueError as error:
        raise typer.BadParameter(
            f"--since {since} is neither a duration (10m, 2h, 3d) nor an ISO time"
        ) from error
    return Filters(ids or (), stream, type_, kind, reason, subject, moment)


def with_filters(command: Callable[..., None]) -> Callable[..., None]:
    """Give ``command`` the options of :func:`make_filters` in place of its first parameter, ``filters``.

    Typer reads a command's options from its signature, so this puts both signatures together.
    """
    options = inspect.signature(make_filters).parameters
    _, *others = inspect.signature(command).parameters.values()

    @wraps(command)
    def filtered(**given: Any) -> None:
        filters = make_filters(**{name: given.pop(name) for name in options})
        command(filters, **given)

    parameters = [*options.values(), *others]
    filtered.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    filtered.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return filtered
