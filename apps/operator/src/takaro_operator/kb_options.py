"""Options that several commands of ``takaro kb`` take."""

from typing import Annotated

import typer

from takaro_operator.completion import complete_base

User = Annotated[
    str | None,
    typer.Option("--user", help="The user id, for services with AUTH_MODE=dev; others take TAKARO_TOKEN."),
]
BaseId = Annotated[
    str, typer.Argument(metavar="ID", help="The knowledge base.", autocompletion=complete_base)
]
