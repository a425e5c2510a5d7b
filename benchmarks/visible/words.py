"""Words, as the truth and the chunks are compared by."""

import json
import lzma
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "words"

_HYPHEN = re.compile(r"(?<=[^\W_])[-\u2010\u2011](?=[^\W_])")
_UNSEEN = {ord(sign): None for sign in "\u00ad\u200b\u2060\ufeff"}
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")


def words_of(text: str) -> Counter[str]:
    """How often each word is there."""
    return Counter(word_list(text))


def word_list(text: str) -> list[str]:
    """Runs of letters and digits, without case; an ideograph is a word. Hyphens inside words don't count:
    whether one at the end of a printed line belongs to its word can't be seen."""
    plain = unicodedata.normalize("NFKC", text).translate(_UNSEEN)
    return _WORD.findall(_HYPHEN.sub("", plain).casefold())


@dataclass(slots=True)
class Seen:
    """What Chromium renders of a file: its words but those of menus; ``menus`` counts these. ``others`` are
    words that are no text but may be indexed: in menus, titles, addresses, closed sections."""

    words: Counter[str] = field(default_factory=Counter)
    menus: int = 0
    others: frozenset[str] = frozenset()


def write_seen(tree: str, files: dict[str, Seen]) -> None:
    """Commit the words of a tree's files."""
    FOLDER.mkdir(exist_ok=True)
    rows = {
        path: [dict(sorted(seen.words.items())), seen.menus, sorted(seen.others - seen.words.keys())]
        for path, seen in files.items()
    }
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    (FOLDER / f"{tree}.json.xz").write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


def read_seen(tree: str) -> dict[str, Seen]:
    """What was committed."""
    rows = json.loads(lzma.decompress((FOLDER / f"{tree}.json.xz").read_bytes()))
    return {
        path: Seen(Counter(words), menus, frozenset(others) | words.keys())
        for path, (words, menus, others) in rows.items()
    }
