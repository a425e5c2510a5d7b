"""``make visible-words``: renders the trees in Chromium and commits the words that it shows.

For maintainers: run it when a tree's release or a rule of this program changes, and read the diff of the
benchmark. It shares no code with the readers. The README beside it states its rules.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from playwright.sync_api import Error, Route, sync_playwright

from benchmarks.visible.packages import files_of
from benchmarks.visible.trees import TREES, Tree
from benchmarks.visible.truth.chromium import Chromium
from benchmarks.visible.words import Seen, word_list, words_of, write_seen

HERE = Path(__file__).parent
COLLECT = (HERE / "page.js").read_text()
READ_PDF = (HERE / "pdf.js").read_text()
PDFJS = HERE / "node_modules/pdfjs-dist/legacy/build"
ATTEMPTS = 3
SPELLED = 0.4
FRAME_SHARE = 0.5
LEAST_PAGES = 5

Line: TypeAlias = tuple[str, str]
Shown: TypeAlias = tuple[list[Line], str]
"""The lines of a page, each with ``""``, ``menu`` or ``control``, and all texts of the document."""


def main(only: list[str]) -> None:
    """Write the words of all trees, or of those named."""
    with sync_playwright() as playwright:
        chromium = Chromium(playwright)
        for tree in TREES:
            if only and tree.name not in only:
                continue
            files = files_of(tree)
            shown = _pdfs(chromium, files) if tree.kind == "PDF" else _pages(chromium, tree, files)
            framed = tree.kind in ("Sphinx", "MkDocs", "mdBook")
            write_seen(tree.name, dict(_seen(shown, _frame(shown) if framed else frozenset())))
            print(tree.name, len(shown), "files", file=sys.stderr)


def _seen(files: dict[str, Shown], frame: frozenset[str]) -> Iterator[tuple[str, Seen]]:
    for path, (lines, every) in files.items():
        seen = Seen()
        for text, kind in lines:
            words = words_of(text)
            if kind or text in frame:
                seen.menus += words.total()
            else:
                seen.words += words
            seen.others |= words.keys()
        seen.others |= words_of(every).keys()
        yield path, seen


def _frame(files: dict[str, Shown]) -> frozenset[str]:
    """Lines that stand on half of a site's pages and more: its name, its imprint, headings of its menus."""
    pages = Counter(text for lines, _ in files.values() for text in {text for text, _ in lines})
    least = max(LEAST_PAGES, FRAME_SHARE * len(files))
    return frozenset(text for text, count in pages.items() if count >= least)


def _pages(chromium: Chromium, tree: Tree, files: dict[str, Path]) -> dict[str, Shown]:
    with _rendered(files) if tree.kind in ("Markdown", "MDX") else _as_they_are(files) as pages:
        return {path: _collect(chromium, file) for path, file in pages.items()}


def _collect(chromium: Chromium, file: Path) -> Shown:
    for attempt in range(1, ATTEMPTS + 1):
        page = chromium.page()
        try:
            page.goto(file.as_uri())
            found: dict[str, Any] = page.evaluate(COLLECT)
            page.context.close()
        except Error as error:
            if attempt == ATTEMPTS:
                raise SystemExit(f"{file}: {error}") from error
        else:
            break
    return [(text, kind) for text, kind in found["lines"]], found["all"]


@contextmanager
def _as_they_are(files: dict[str, Path]) -> Iterator[dict[str, Path]]:
    yield files


@contextmanager
def _rendered(files: dict[str, Path]) -> Iterator[dict[str, Path]]:
    with TemporaryDirectory() as folder:
        pages = {path: Path(folder) / f"{number}.html" for number, path in enumerate(files)}
        jobs = Path(folder) / "jobs.json"
        jobs.write_text(json.dumps([[str(files[path]), str(page)] for path, page in pages.items()]))
        subprocess.run(["node", str(HERE / "render.mjs"), str(jobs)], check=True)
        yield pages


def _pdfs(chromium: Chromium, files: dict[str, Path]) -> dict[str, Shown]:
    """The text that pdf.js lays over its pages, in that Chromium. Its own viewer has no text in its DOM."""
    shown: dict[str, Shown] = {}
    for path, file in files.items():
        page = chromium.page()
        page.route("http://pdf.local/**", partial(_serve, file))
        page.goto("http://pdf.local/index.html")
        found = page.evaluate(READ_PDF)
        page.context.close()
        if found is None or _is_spelled(found["text"]):
            print(f"{path}: left out, its words can't be told", file=sys.stderr)
        else:
            shown[path] = [(found["text"], "")], "\n".join((found["title"], *_glued(found["text"])))
    return shown


def _is_spelled(text: str) -> bool:
    """Whether pdf.js gives letters, and not words."""
    words = words_of(text)
    letters = sum(count for word, count in words.items() if len(word) == 1 and word.isascii())
    return letters > SPELLED * words.total()


def _glued(text: str) -> Iterator[str]:
    """Two and three words as one, and what is spelled: a PDF has no spaces, so that pdf.js too infers where a
    word ends."""
    words = word_list(text)
    for number in range(len(words)):
        yield "".join(words[number : number + 2])
        yield "".join(words[number : number + 3])
    for spelled, letters in groupby(words, lambda word: len(word) == 1):
        if spelled:
            yield "".join(letters)


def _serve(file: Path, route: Route) -> None:
    name = route.request.url.rsplit("/", 1)[1]
    if name == "index.html":
        route.fulfill(body="<!doctype html>", content_type="text/html")
    elif name == "file.pdf":
        route.fulfill(path=file, content_type="application/pdf")
    else:
        route.fulfill(path=PDFJS / name, content_type="text/javascript")


if __name__ == "__main__":
    main([name for name in os.environ.get("ONLY", "").split(",") if name])
