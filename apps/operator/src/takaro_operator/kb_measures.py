"""What a search finds of what it should: measures over ranks. Pure."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

CUTS = (1, 3, 5, 10)
"""Ranks up to which a hit counts, as far as the search goes."""


@dataclass(slots=True, frozen=True)
class Asked:
    """A question and the files that answer it."""

    question: str
    files: frozenset[str]


def measures_of(found: Sequence[Sequence[str]], asked: Sequence[Asked], limit: int) -> dict[str, float]:
    """The mean of each measure over all questions. ``found`` has the files of each question's hits, best
    first.

    ``hit@k``: whether one of the first k hits is of an answering file. ``mrr``: 1 divided by the rank of the
    first such hit, 0 without one. ``ndcg``: how near to the top the answering files are, each counted once.
    """
    cuts = [cut for cut in CUTS if cut <= limit]
    totals = dict.fromkeys([*(f"hit@{cut}" for cut in cuts), "mrr", "ndcg"], 0.0)
    for files, one in zip(found, asked, strict=True):
        ranks = _ranks(files, one.files)
        for cut in cuts:
            totals[f"hit@{cut}"] += bool(ranks) and ranks[0] <= cut
        totals["mrr"] += 1 / ranks[0] if ranks else 0.0
        totals["ndcg"] += _gain(ranks) / _gain(range(1, min(len(one.files), limit) + 1))
    return {name: total / len(asked) for name, total in totals.items()}


def recall_of(found: Sequence[str], deep: Sequence[str]) -> float:
    """The share of the best chunks of a deeper search that this one found; 1 if there are none."""
    best = set(deep[: len(found)] if found else deep)
    return len(best.intersection(found)) / len(best) if best else 1.0


def better_and_worse(
    first: Sequence[Sequence[str]], second: Sequence[Sequence[str]], asked: Sequence[Asked]
) -> Mapping[str, list[str]]:
    """The questions whose first answering hit is higher up in ``second`` (``better``), or lower down."""
    told: dict[str, list[str]] = {"better": [], "worse": []}
    for one, before, after in zip(asked, first, second, strict=True):
        ranks = [_ranks(files, one.files) for files in (before, after)]
        old, new = (found[0] if found else math.inf for found in ranks)
        if new != old:
            told["better" if new < old else "worse"].append(one.question)
    return told


def _ranks(files: Sequence[str], answering: Collection[str]) -> list[int]:
    """Where each answering file is found first, counted from 1."""
    first: dict[str, int] = {}
    for rank, file in enumerate(files, start=1):
        if file in answering:
            first.setdefault(file, rank)
    return sorted(first.values())


def _gain(ranks: Collection[int]) -> float:
    return sum(1 / math.log2(rank + 1) for rank in ranks)
