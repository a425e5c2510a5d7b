"""Openly licensed documentation that packages ship, with questions in users' words.

``questions/NAME.jsonl`` has one question a line: ``{"question", "files"}``, where each of ``files`` answers
it. They were written by topic from the documents, before any search was run over them, and shuffled. The last
third is held out: weights and sizes are chosen by the rest.
"""

import html
import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.visible.packages import FOLDER, unpacked
from benchmarks.visible.trees import Package

QUESTIONS = Path(__file__).parent / "questions"


@dataclass(slots=True, frozen=True)
class Documentation:
    """One tree. ``paths`` are globs below ``root``, inside the unpacked package. ``kind`` says what it
    holds."""

    name: str
    kind: str
    licence: str
    language: str
    package: Package
    root: str
    paths: tuple[str, ...]


@dataclass(slots=True, frozen=True)
class Question:
    """``files`` are those that answer it."""

    text: str
    files: frozenset[str]
    held_out: bool


TREES = (
    Documentation(
        "beets",
        "prose",
        "MIT",
        "en",
        Package(
            "pypi",
            "beets",
            "2.14.1",
            "beets-2.14.1.tar.gz",
            "b25dc7bf8ed093d8b6e043e88013736902c1082c958b81a598af5db5275539a5",
        ),
        "beets-2.14.1/docs",
        ("faq.rst", "guides/*.rst", "plugins/*.rst", "reference/*.rst"),
    ),
    Documentation(
        "undici",
        "API reference, much code",
        "MIT",
        "en",
        Package(
            "npm",
            "undici",
            "7.30.2",
            "undici-7.30.2.tgz",
            "2bf5b1c41724614729cb383f22c64506b6665869d385de862752c33763fcce1b",
        ),
        "package/docs/docs",
        ("**/*.md",),
    ),
    Documentation(
        "electron-es",
        "Spanish",
        "MIT, its texts BSD-3-Clause",
        "es",
        Package(
            "npm",
            "electron-i18n",
            "1.3136.0",
            "electron-i18n-1.3136.0.tgz",
            "4deb99ca165f8dea82f50543cd11b43b1bdeb90f7c17f12a12747a68342eac65",
        ),
        "pages",
        ("**/*.html",),
    ),
)


def files_of(tree: Documentation) -> dict[str, Path]:
    """The tree's files by their path below its root."""
    root = unpacked(tree.package) / tree.root
    if tree.name == "electron-es":
        root = _electron_pages(unpacked(tree.package), FOLDER / tree.name)
    return {
        path.relative_to(root).as_posix(): path for glob in tree.paths for path in sorted(root.glob(glob))
    }


def questions_of(tree: Documentation) -> list[Question]:
    """The tree's questions in the file's order. The last third is held out."""
    lines = (QUESTIONS / f"{tree.name}.jsonl").read_text().splitlines()
    first_held_out = len(lines) * 2 // 3
    rows = [json.loads(line) for line in lines]
    return [
        Question(row["question"], frozenset(row["files"]), held_out=index >= first_held_out)
        for index, row in enumerate(rows)
    ]


def _electron_pages(package: Path, folder: Path) -> Path:
    """Electron's mostly translated pages, which the package ships in one JSON file."""
    if folder.exists():
        return folder
    pages = json.loads((package / "package/dist/docs.json").read_text())["es-ES"]
    part = folder.with_suffix(".part")
    for name in (QUESTIONS / "electron-es.pages").read_text().split():
        page = pages[f"/docs/{name}"]
        path = part / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        title = html.escape(page["title"])
        path.write_text(
            f'<!doctype html>\n<html lang="es"><meta charset="utf-8"><title>{title}</title>\n'
            f"<body><main>{page['html']}</main></body></html>\n"
        )
    part.rename(folder)
    return folder
