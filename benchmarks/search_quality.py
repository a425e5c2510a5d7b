"""How well searches answer questions in users' words, by tree of documentation and by mode.

The trees are synced by the service's own code from folders, embedded with the local model, and searched by
each mode over the same rows. Vectors are kept in ``.local/search-quality`` between runs: embedding takes
minutes.
``HELD_OUT=1`` scores the last third of the questions, which nothing is tuned on; else the others.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import numpy as np

from benchmarks.documentation import TREES, Documentation, Question, files_of, questions_of
from benchmarks.report import Report
from benchmarks.world import World
from common.postgres import Pool, create_pool
from knowledge.embeddings import Vectors
from knowledge.embeddings.minilm import MiniLmEmbedder
from knowledge.jobs.wire import JobData
from knowledge.registry.registration import register_from_job
from knowledge.search.hybrid import hybrid
from knowledge.search.matching import matching
from knowledge.search.nearest import nearest
from knowledge.search.records import Found, Wanted
from knowledge.settings import KnowledgeSettings
from knowledge.sources.github.access import GitHubAccess
from knowledge.sources.opening import Sources
from knowledge.sync.progress import Progress
from knowledge.sync.records import SyncRun
from knowledge.sync.use_cases import sync_base
from knowledge.sync.work import SyncDeps
from knowledge.web.fetching import Access, Fetcher
from knowledge.web.retries import Retries

CACHE = Path(__file__).parents[1] / ".local/search-quality"
HELD_OUT = bool(os.environ.get("HELD_OUT"))
DEEPEST = 10
"""Ranks that are looked at."""

HIT_TARGET, MRR_TARGET = 0.97, 0.92

Ask = Callable[[Pool, Wanted, str, Vectors], Awaitable[Found]]
MODES: dict[str, Ask] = {
    "vector": lambda pool, wanted, text, vector: nearest(pool, wanted, vector),
    "text": lambda pool, wanted, text, vector: matching(pool, wanted, text),
    "hybrid": lambda pool, wanted, text, vector: hybrid(pool, wanted, vector, text),
}


class KeptEmbedder(MiniLmEmbedder):
    """The local model. What it has embedded once is read from a file."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        file.parent.mkdir(parents=True, exist_ok=True)
        self._kept = sqlite3.connect(file, check_same_thread=False)
        self._kept.execute("CREATE TABLE IF NOT EXISTS kept (text BLOB PRIMARY KEY, vector BLOB)")

    async def embed(self, texts: Sequence[str], *, urgent: bool = False, once: bool = False) -> Vectors:
        names = [hashlib.sha256(text.encode()).digest() for text in texts]
        kept = {name: vector for name in names if (vector := self._get(name)) is not None}
        missing = {name: text for name, text in zip(names, texts, strict=True) if name not in kept}
        if missing:
            made = await super().embed(list(missing.values()), urgent=urgent, once=once)
            kept |= dict(zip(missing, made, strict=True))
            rows = [(name, kept[name].tobytes()) for name in missing]
            with self._kept:
                self._kept.executemany("INSERT OR IGNORE INTO kept VALUES (?, ?)", rows)
        return np.stack([kept[name] for name in names])

    async def close(self) -> None:
        self._kept.close()
        await super().close()

    def _get(self, name: bytes) -> Vectors | None:
        row = self._kept.execute("SELECT vector FROM kept WHERE text = ?", (name,)).fetchone()
        return np.frombuffer(row[0], dtype=np.float32) if row else None


@dataclass(slots=True)
class Score:
    """Sums over the questions. ``missed``: those that none of the first five hits answers."""

    hits: int = 0
    reciprocals: float = 0.0
    questions: int = 0
    missed: tuple[str, ...] = ()

    def add(self, question: Question, files: Sequence[str]) -> None:
        rank = next((rank for rank, file in enumerate(files, start=1) if file in question.files), 0)
        self.questions += 1
        self.reciprocals += 1 / rank if rank else 0.0
        if 0 < rank <= 5:
            self.hits += 1
        else:
            self.missed += (question.text,)

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.hits + other.hits,
            self.reciprocals + other.reciprocals,
            self.questions + other.questions,
            self.missed + other.missed,
        )

    @property
    def hit(self) -> float:
        return self.hits / self.questions

    @property
    def mrr(self) -> float:
        return self.reciprocals / self.questions


async def run(world: World, report: Report) -> None:
    """Sync each tree, ask its questions in each mode, and compare with the targets."""
    settings = KnowledgeSettings(
        database_url=world.postgres.url, auth_mode="dev", local_sources_root=str(world.folder)
    )
    embedder = KeptEmbedder(CACHE / "vectors.sqlite")
    async with httpx.AsyncClient(trust_env=False) as http, await create_pool(settings) as pool:
        access = GitHubAccess(settings.github_api_url, settings.github_raw_url)
        fetcher = Fetcher(http, Access(), Retries(1, 0.01, 1))
        sources = Sources(fetcher, access, tuple(settings.local_roots()))
        deps = SyncDeps(pool, embedder, sources, "bench", settings.lease_ttl_seconds, settings.sync_downloads)
        total = dict.fromkeys(MODES, Score())
        for tree in TREES:
            report.progress(f"search quality: {tree.name}")
            chunks = await _sync(deps, tree, world.folder / tree.name)
            asked = [question for question in questions_of(tree) if question.held_out == HELD_OUT]
            for mode, ask in MODES.items():
                score = await _score(deps, tree, ask, asked)
                total[mode] += score
                what = f"{tree.name} ({tree.kind}; {chunks} chunks, {len(asked)} questions), {mode}"
                report.line(what, f"hit@5 {score.hit:.3f}, MRR {score.mrr:.3f}")
                if os.environ.get("MISSED"):
                    report.console.print("\n".join(("", what, *score.missed)))
        _tell(report, total)
        await fetcher.close()
        await sources.readers.close()
    await embedder.close()


def _tell(report: Report, total: dict[str, Score]) -> None:
    for mode, score in total.items():
        name = f"all trees{', held out' if HELD_OUT else ''}, {mode}"
        if mode != "hybrid":
            report.line(name, f"hit@5 {score.hit:.3f}, MRR {score.mrr:.3f}")
            continue
        parts = [other for key, other in total.items() if key != mode]
        report.line(f"{name}: hit@5", f"{score.hit:.3f}", f"≥ {HIT_TARGET}", score.hit >= HIT_TARGET)
        report.line(f"{name}: MRR", f"{score.mrr:.3f}", f"≥ {MRR_TARGET}", score.mrr >= MRR_TARGET)
        for what in ("hit", "mrr"):
            least = max(getattr(part, what) for part in parts)
            value = getattr(score, what)
            report.line(f"{name}: {what} beside its parts", f"{value:.3f}", f"≥ {least:.3f}", value >= least)


async def _sync(deps: SyncDeps, tree: Documentation, folder: Path) -> int:
    """The number of chunks of the tree's base, from a copy of its files."""
    for path, file in files_of(tree).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / path)
    extensions = sorted({Path(path).suffix for path in files_of(tree)})
    data = {
        "knowledgeBaseId": tree.name,
        "version": "latest",
        "source": folder.as_uri(),
        "extensions": extensions,
    }
    base = await register_from_job(deps.pool, JobData.model_validate(data).base())
    result = await sync_base(deps, SyncRun(uuid4(), base, "incremental", "job", "1"), _watch)
    return result.chunks_created


async def _score(deps: SyncDeps, tree: Documentation, ask: Ask, asked: Sequence[Question]) -> Score:
    wanted = Wanted((tree.name,), "bench", None, DEEPEST, None, None, deps.embedder.model)
    vectors = await deps.embedder.embed([question.text for question in asked])
    score = Score()
    for question, vector in zip(asked, vectors, strict=True):
        found = await ask(deps.pool, wanted, question.text, vector)
        score.add(question, [hit.metadata["sourceFile"] for hit in found.hits])
    return score


async def _watch(_: Progress) -> None:
    return None
