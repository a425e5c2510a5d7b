"""``takaro contracts``: publish the event contracts as JSON Schemas and AsyncAPI documents."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from contracts.compatibility import breaking_changes
from contracts.published import documents, published


def contracts(
    folder: Annotated[Path, typer.Argument(help="The folder to write to.")] = Path("docs/events"),
    release: Annotated[
        str | None,
        typer.Option(help="Also keep the schemas as the released ones of this version.", show_default=False),
    ] = None,
) -> None:
    """Write the schemas of all event types to FOLDER, unless a change would break a consumer or a sender."""
    problems = [
        f"{name}: {change} (since {path.parent.name})"
        for name, schema, fact in published()
        for path in sorted(folder.glob(f"**/{name}.json"))
        for change in breaking_changes(orjson.loads(path.read_bytes()), schema, fact=fact)
    ]
    if problems:
        typer.echo("\n".join(problems), err=True)
        typer.echo("A breaking change needs a new type (….v2), published beside the old one.", err=True)
        raise typer.Exit(1)
    kept = folder / "released" / release if release else None
    if kept is not None and kept.exists():
        typer.echo(f"{kept} exists already: a release never changes", err=True)
        raise typer.Exit(2)
    count = 0
    for relative, document in documents():
        _write(folder / relative, document)
        count += 1
        if kept is not None and relative.parent.name == "schemas":
            _write(kept / relative.name, document)
    typer.echo(f"{count} documents in {folder}")


def _write(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
