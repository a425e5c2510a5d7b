"""``takaro kb eval``: how well a base's search answers a user's own questions."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeGuard

import typer
from rich.text import Text

from takaro_operator.errors import Refusal
from takaro_operator.kb_measures import Asked, better_and_worse, measures_of, recall_of
from takaro_operator.kb_options import BaseId, User
from takaro_operator.knowledge_http import KnowledgeClient
from takaro_operator.output import Json, make_table, print_json, printable, screen
from takaro_operator.running import run
from takaro_operator.settings import OperatorSettings

AT_ONCE = 4
"""Questions that are asked at the same time."""

DEEP = 50
"""Hits of the deeper search that recall is measured against: the most that the API answers."""

MOST_BYTES, MOST_QUESTIONS = 10_000_000, 10_000
MOST_SHOWN = 20
"""Questions that are listed as better or worse."""

EXAMPLE = '{"question": "How do I stop it?", "files": ["docs/levers.md"]}'


@dataclass(slots=True, frozen=True)
class Setting:
    """What is searched, and how."""

    base_id: str
    mode: str | None
    version: str | None

    def __str__(self) -> str:
        return " ".join(filter(None, (self.base_id, self.version, self.mode)))


@dataclass(slots=True, frozen=True)
class Outcome:
    """``files`` are those of each question's hits, best first."""

    files: Sequence[Sequence[str]]
    measures: dict[str, float]


def evaluate(
    base_id: BaseId,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help=f"Questions, one a line: {EXAMPLE}")
    ],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=DEEP, help="Hits a question.")] = 10,
    mode: Annotated[str | None, typer.Option(help="How to search: vector, text or hybrid.")] = None,
    version: Annotated[str | None, typer.Option(help="The version to search.")] = None,
    against: Annotated[str | None, typer.Option(help="Compare with this mode.")] = None,
    against_base: Annotated[
        str | None, typer.Option(help="Compare with this base, such as one of other chunk sizes.")
    ] = None,
    against_version: Annotated[str | None, typer.Option(help="Compare with this version.")] = None,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Ask the questions of FILE, and show how well the search answers them."""

    async def work(_: OperatorSettings) -> None:
        asked = read_questions(file)
        settings = [Setting(base_id, mode, version)]
        if against or against_base or against_version:
            other = Setting(against_base or base_id, against or mode, against_version or version)
            settings.append(other)
        async with KnowledgeClient(user) as client:
            outcomes = [await _ask(client, setting, asked, limit) for setting in settings]
        moved = better_and_worse(outcomes[0].files, outcomes[1].files, asked) if len(outcomes) > 1 else {}
        if as_json:
            rows = [
                {"setting": str(setting), "measures": outcome.measures}
                for setting, outcome in zip(settings, outcomes, strict=True)
            ]
            print_json({"questions": len(asked), "limit": limit, "settings": rows, **moved})
            return
        _show(settings, outcomes, len(asked))
        for name, questions in moved.items():
            _list(name, questions)

    run(work)


def read_questions(file: Path) -> list[Asked]:
    """The questions of a file of JSON Lines. Raises :class:`Refusal`, which names the line."""
    if file.stat().st_size > MOST_BYTES:
        raise Refusal(f"{file} is larger than {MOST_BYTES // 10**6} MB")
    asked = []
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise Refusal(f"{file}, line {number} isn't JSON: {error}") from error
        question, files = (row.get("question"), row.get("files")) if isinstance(row, dict) else (None, None)
        if not isinstance(question, str) or not question.strip() or not _are_names(files):
            raise Refusal(f"{file}, line {number} must be like {EXAMPLE}")
        asked.append(Asked(question, frozenset(files)))
    if not 0 < len(asked) <= MOST_QUESTIONS:
        raise Refusal(f"{file} has {len(asked):,} questions; from 1 to {MOST_QUESTIONS:,} can be asked")
    return asked


def _are_names(files: object) -> TypeGuard[list[str]]:
    return isinstance(files, list) and bool(files) and all(isinstance(name, str) and name for name in files)


async def _ask(client: KnowledgeClient, setting: Setting, asked: Sequence[Asked], limit: int) -> Outcome:
    slots = asyncio.Semaphore(AT_ONCE)
    chosen = {"mode": setting.mode, "version": setting.version}
    chosen = {name: value for name, value in chosen.items() if value is not None}

    async def search(question: str, most: int) -> list[dict[str, Any]]:
        async with slots:
            hits: list[dict[str, Any]] = await client.call(
                "GET", setting.base_id, "search", q=question, limit=most, **chosen
            )
            return hits

    async def ask(one: Asked) -> tuple[list[str], float]:
        hits, deep = await search(one.question, limit), await search(one.question, DEEP)
        recall = recall_of([_name(hit) for hit in hits], [_name(hit) for hit in deep])
        return [str(hit["metadata"].get("sourceFile", "")) for hit in hits], recall

    found = await asyncio.gather(*map(ask, asked))
    files = [names for names, _ in found]
    measures = measures_of(files, asked, limit)
    measures["recall"] = sum(recall for _, recall in found) / len(found)
    return Outcome(files, measures)


def _name(hit: dict[str, Any]) -> str:
    """What tells chunks apart."""
    metadata = hit["metadata"]
    return json.dumps([metadata.get("sourceFile"), metadata.get("chunkIndex"), hit["content"]])


def _show(settings: Sequence[Setting], outcomes: Sequence[Outcome], count: int) -> None:
    table = make_table(f"{count:,} questions", "", *(printable(str(setting)) for setting in settings))
    if len(outcomes) > 1:
        table.add_column("difference")
    for name in outcomes[0].measures:
        values = [outcome.measures[name] for outcome in outcomes]
        cells = [Text(f"{value:.3f}") for value in values]
        if len(values) > 1:
            change = values[1] - values[0]
            style = "green" if change > 0 else "red" if change < 0 else ""
            cells.append(Text(f"{change:+.3f}", style=style))
        table.add_row(Text(name), *cells)
    screen().print(table)


def _list(name: str, questions: Sequence[str]) -> None:
    screen().print(Text(f"{len(questions):,} questions {name}", style="bold"))
    for question in questions[:MOST_SHOWN]:
        screen().print(Text(f"  {printable(question)}"))
    if len(questions) > MOST_SHOWN:
        screen().print(Text(f"  … and {len(questions) - MOST_SHOWN:,} more"))
