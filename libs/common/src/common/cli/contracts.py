"""``takaro contracts``: publish the event contracts as JSON Schemas and AsyncAPI documents."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from common.contracts.publishing import breaking_changes, documents, published


def contracts(
    folder: Annotated[Path, typer.Argument(help="Where to write them.")] = Path("docs/events"),
) -> None:
    """Write the schemas of all event types to FOLDER, unless a change would break a reader or a sender."""
    problems = []
    for name, schema, fact in published():
        path = folder / "schemas" / f"{name}.json"
        if path.exists():
            released = orjson.loads(path.read_bytes())
            problems += [f"{name}: {c}" for c in breaking_changes(released, schema, fact=fact)]
    if problems:
        typer.echo("\n".join(problems), err=True)
        typer.echo("A breaking change is a new type, published beside the old one (….v2).", err=True)
        raise typer.Exit(1)
    count = 0
    for relative, document in documents():
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
        count += 1
    typer.echo(f"{count} documents in {folder}")
