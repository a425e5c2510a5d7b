"""The documents that the demo searches, and the questions that it asks."""

from collections.abc import Iterator, Sequence
from pathlib import Path

PROJECT_QUESTIONS = (
    "How do I take the last batch of migrations back?",
    "What happens to the mock game server when its conversation is deleted?",
    "How do I follow one request across the services?",
)
_EXTENSIONS = (".md", ".txt")
_COUNT = 3


def files_in(docs: Path) -> list[Path]:
    """The Markdown and text files that a knowledge base of the folder (or file) would contain."""
    if docs.is_file():
        return [docs] if docs.suffix in _EXTENSIONS else []
    found = (file for file in sorted(docs.rglob("*")) if file.suffix in _EXTENSIONS and file.is_file())
    return [file for file in found if not any(part.startswith(".") for part in file.relative_to(docs).parts)]


def questions_about(docs: Path) -> Sequence[str]:
    """Three questions that the folder answers: headings from all over it, those of several words first."""
    files = files_in(docs)
    headings = list(dict.fromkeys(heading for file in files for heading in _headings(file)))
    chosen = [heading for heading in headings if len(heading.split()) > 1]
    if len(chosen) < _COUNT:
        chosen = headings or [file.stem.replace("-", " ").replace("_", " ") for file in files]
    return [chosen[index * (len(chosen) - 1) // (_COUNT - 1)] for index in range(_COUNT)]


def holds(file: Path, text: str) -> bool:
    """Whether the file contains the text, ignoring white space."""
    try:
        content = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return " ".join(text.split()) in " ".join(content.split())


def _headings(file: Path) -> Iterator[str]:
    in_code = False
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.lstrip().startswith("```"):
            in_code = not in_code
        heading = line.lstrip("#").strip()
        if line.startswith("#") and not in_code and any(letter.isalpha() for letter in heading):
            yield heading[:200]
