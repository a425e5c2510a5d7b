"""``make bench-visible`` (ONLY=alembic,ai; LOST=1 lists words): how much of what a reader sees is indexed."""

import asyncio
import os
import sys
from collections import Counter
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from benchmarks.visible.packages import files_of
from benchmarks.visible.trees import TREES, Tree
from benchmarks.visible.words import Seen, read_seen, words_of
from knowledge.content.files.rules import read_texts
from knowledge.documents import UnsupportedContent
from knowledge.readers.pool import Readers, Session

CHUNK_SIZE = 1000
MAX_FILE_BYTES = 10_000_000
SHOWN = 40


@dataclass(slots=True)
class Share:
    """Counts of one tree, in words."""

    kind: str
    files: int = 0
    visible: int = 0
    found: int = 0
    menus: int = 0
    refused: list[str] = field(default_factory=list)
    lost: dict[str, Counter[str]] = field(default_factory=dict)
    garbage: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def percent(self) -> float:
        return 100 * self.found / self.visible if self.visible else 0.0

    def add(self, path: str, seen: Seen, indexed: Counter[str]) -> None:
        self.files += 1
        self.menus += seen.menus
        self.visible += seen.words.total()
        self.found += (seen.words & indexed).total()
        self.lost[path] = seen.words - indexed
        self.garbage[path] = Counter({word: n for word, n in indexed.items() if not self._known(word, seen)})

    def _known(self, word: str, seen: Seen) -> bool:
        """Whether the file holds it. In a PDF, which has no spaces, it may be part of a word."""
        return word in seen.others or (self.kind == "PDF" and any(word in other for other in seen.others))


async def measure(tree: Tree, readers: Session) -> Share:
    """Compare each file's chunks with what Chromium rendered of it. A file that is refused has no chunk."""
    share, files = Share(tree.kind), files_of(tree)
    for path, seen in read_seen(tree.name).items():
        indexed: Counter[str] = Counter()
        try:
            for text in await _chunks(readers, files[path].name, files[path].read_bytes()):
                indexed += words_of(text)
        except UnsupportedContent as error:
            if seen.words:
                share.refused.append(f"{path}: {error}")
        share.add(path, seen, indexed)
    return share


async def _chunks(readers: Session, name: str, content: bytes) -> list[str]:
    """Without overlap, so that no word is there twice."""
    sizes, limits = (CHUNK_SIZE, 0), Readers().limits
    read = await readers.run(read_texts, content, name, sizes, MAX_FILE_BYTES, limits.text, limits.chunks)
    return list(read["texts"])


async def main() -> int:
    """Return exit status 1 if a tree's share is below its floor, or garbage is indexed."""
    only = [name for name in os.environ.get("ONLY", "").split(",") if name]
    console, readers, failed = Console(width=120), Readers(), False
    table = Table(
        "tree", "kind", "files", "visible words", "menus", "found", "floor", "garbage", "", box=None
    )
    try:
        for tree in TREES:
            if only and tree.name not in only:
                continue
            share = await measure(tree, readers.session())
            garbage = sum(words.total() for words in share.garbage.values())
            met = share.percent >= tree.floor and not garbage
            failed = failed or not met
            table.add_row(
                tree.package.name,
                tree.kind,
                f"{share.files}",
                f"{share.visible:,}",
                f"{share.menus:,}",
                f"{share.percent:.2f} %",
                f"{tree.floor} %",
                f"{garbage}",
                "[green]✓[/green]" if met else "[red]✗[/red]",
            )
            for line in share.refused:
                console.print(f"refused: {tree.name}: {line}")
            if os.environ.get("LOST"):
                _list(console, share)
    finally:
        await readers.close()
    console.print(table)
    return 1 if failed else 0


def _list(console: Console, share: Share) -> None:
    for what, files in (("lost", share.lost), ("garbage", share.garbage)):
        for path, words in sorted(files.items(), key=lambda file: -file[1].total()):
            if words:
                most = " ".join(f"{word} ({n})" if n > 1 else word for word, n in words.most_common(SHOWN))
                console.print(f"{what} {words.total()}: {path}: {most}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
