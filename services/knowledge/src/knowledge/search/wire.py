"""JSON of the search: what its routes take and answer."""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, Self

import numpy as np
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from common import codec
from contracts.storable import Text
from knowledge.bases.wire import Version
from knowledge.embeddings import DIMENSIONS
from knowledge.embeddings.questions import Vector
from knowledge.search.filters import check_filter
from knowledge.search.records import Answer, Hit, Mode, Place, Question, ScoreKind, place_of
from knowledge.sources.links import link_to
from servicekit.answers import Body
from servicekit.forms import Uuid

MAX_LIMIT, MAX_BASES, MAX_QUESTIONS, MAX_NEIGHBOURS = 100, 20, 20, 3
MAX_TEXTS = 1_000
"""Texts of chunks in one answer, with hits' neighbours."""
MAX_QUESTION = 8_000
"""Characters."""
MAX_FILTER = 20_000
"""Characters of a filter in an address."""

SEARCH_EXAMPLE: JsonDict = {
    "knowledgeBaseIds": ["takaro-docs", "module-handbook"],
    "query": "How do I give a player an item?",
    "limit": 5,
    "filters": {"path": {"prefix": "docs/"}},
}
FILTER_EXAMPLE = {"path": {"prefix": "docs/"}, "frontMatter.tags": ["alpha", "beta"]}
_FILTER_SCHEMA = {
    "type": "object",
    "maxProperties": 20,
    "examples": [FILTER_EXAMPLE],
    "propertyNames": {"pattern": r"^(path|title|heading|position|(frontMatter|metadata)\.[\s\S]{1,1000})$"},
    "additionalProperties": {
        "anyOf": [
            {"type": ["string", "number", "boolean", "null"], "maxLength": 1000},
            {"type": "array", "items": {"type": ["string", "number", "boolean", "null"]}, "minItems": 1},
            {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": False,
                "properties": {
                    "eq": {"type": ["string", "number", "boolean", "null"], "maxLength": 1000},
                    "in": {
                        "type": "array",
                        "items": {"type": ["string", "number", "boolean", "null"]},
                        "minItems": 1,
                        "maxItems": 200,
                    },
                    "prefix": {"type": "string", "minLength": 1, "maxLength": 1000},
                    "after": {"type": "string", "examples": ["2026-01-01"]},
                    "before": {"type": "string", "examples": ["2026-11-28T12:00:00Z"]},
                },
            },
        ]
    },
}

Filters = Annotated[dict[str, Any], AfterValidator(check_filter), WithJsonSchema(_FILTER_SCHEMA)]
"""What chunks have to be: by the file's ``path``, ``title``, ``heading``, ``frontMatter.<name>``, the chunk's
``position`` and ``metadata.<name>``. All members must hold."""

BaseName = Annotated[Text, StringConstraints(min_length=1, max_length=255)]
QuestionText = Annotated[Text, StringConstraints(min_length=1, max_length=MAX_QUESTION)]
_Number = Annotated[float, Field(ge=-3e38, le=3e38)]


def read_filter(text: str | None) -> dict[str, Any] | None:
    """The filter that an address has as JSON. Raises ``ValueError``."""
    if text is None:
        return None
    try:
        found = codec.loads(text)
    except ValueError as error:
        raise ValueError(f"isn't JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError("must be a JSON object")
    return check_filter(found)


def _comparable(vector: list[float]) -> list[float]:
    if not any(vector):
        raise ValueError("has no direction: all numbers are 0")
    return vector


def _unit(vector: list[float]) -> Vector:
    """Of length 1: Postgres adds up squares in single precision, which huge and tiny numbers leave."""
    scaled = np.asarray(vector, np.float64)
    scaled /= np.abs(scaled).max()
    return (scaled / np.linalg.norm(scaled)).astype(np.float32)


def each_once(ids: list[str]) -> list[str]:
    """Return ``ids``. Raises ``ValueError`` if one is there twice."""
    if len(set(ids)) < len(ids):
        raise ValueError("names a base twice")
    return ids


class Search(Body):
    """What to search for, and where: one of ``query``, ``queries`` and ``vector``.

    ``limit`` is the number of hits in all bases together, for each question. ``mode``: ``hybrid`` finds by
    meaning and by words, ``vector`` by meaning, ``text`` by words; a ``vector``, which has to be of the model
    that the bases were embedded with, is compared by meaning. ``minScore`` is the least cosine similarity,
    which ``text`` hasn't. ``rerank`` sorts the best hits by the service's reranker; ``scoreKind`` tells
    whether it did. ``neighbours`` shows that many chunks before and after each hit. ``explain`` shows how the
    answer was found.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [SEARCH_EXAMPLE]})

    knowledge_base_ids: Annotated[
        list[BaseName], Field(min_length=1, max_length=MAX_BASES), AfterValidator(each_once)
    ]
    query: QuestionText | None = None
    queries: Annotated[list[QuestionText], Field(min_length=1, max_length=MAX_QUESTIONS)] | None = None
    vector: (
        Annotated[
            list[_Number],
            Field(min_length=DIMENSIONS, max_length=DIMENSIONS),
            AfterValidator(_comparable),
        ]
        | None
    ) = None
    limit: int = Field(5, ge=1, le=MAX_LIMIT)
    mode: Mode = "hybrid"
    min_score: float | None = Field(None, ge=-1, le=1)
    filters: Filters | None = None
    version: Version | None = None
    neighbours: int = Field(0, ge=0, le=MAX_NEIGHBOURS)
    rerank: bool = False
    explain: bool = False

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if sum(each is not None for each in (self.query, self.queries, self.vector)) != 1:
            raise ValueError("needs one of query, queries and vector")
        if self.vector is not None:
            if "mode" not in self.model_fields_set:
                self.mode = "vector"
            if self.mode != "vector" or self.rerank:
                raise ValueError("a vector has no words: it goes with mode vector, and without rerank")
        if self.mode == "text" and self.min_score is not None:
            raise ValueError("minScore is on the cosine, which mode text doesn't compute")
        if self.limit * (1 + 2 * self.neighbours) * len(self.questions()) > MAX_TEXTS:
            raise ValueError(
                f"asks for more than {MAX_TEXTS:,} texts: queries times limit, with neighbours; ask for less"
            )
        return self

    def questions(self) -> list[Question]:
        """What is asked, in order."""
        if self.vector is not None:
            return [Question(vector=_unit(self.vector))]
        return [Question(text) for text in self.queries or [self.query or ""]]


class HitJson(TypedDict):
    """A chunk that was found. ``score`` is its cosine similarity to the question, unless another ``mode`` was
    asked for."""

    content: str
    score: float
    metadata: Annotated[
        dict[str, Any],
        Field(examples=[{"sourceFile": "docs/events.md", "chunkIndex": 2, "totalChunks": 14}]),
    ]


class PositionJson(TypedDict):
    """The chunk is number ``index`` (from 0) of the ``total`` chunks of its file."""

    index: int
    total: int | None


class NeighboursJson(TypedDict):
    """The chunks before and after a hit, in the file's order."""

    before: list[str]
    after: list[str]


class PassageJson(HitJson):
    """A chunk that was found, and where. ``score`` is what hits are sorted by, and ``scoreKind`` says what it
    is. ``link`` leads to the file at its source, as it was indexed; ``null`` if it has no address.
    ``headingPath`` are the headings that it stands under, the outermost first."""

    chunkId: Uuid
    knowledgeBaseId: str
    version: str
    scoreKind: ScoreKind
    cosine: float | None
    sourceFile: str | None
    title: str | None
    headingPath: list[str]
    position: PositionJson | None
    link: str | None
    neighbours: NotRequired[NeighboursJson]


class PlanJson(TypedDict):
    """How an answer was found: the ``plan`` that ran, why, and how many milliseconds each part took.
    ``notReranked`` says why, if that was wanted."""

    plan: str
    reason: str
    milliseconds: dict[str, float]
    notReranked: NotRequired[str]


class AnswerJson(TypedDict):
    """What was found for one question, best first."""

    hits: list[PassageJson]
    explain: NotRequired[PlanJson]


def hit_json(hit: Hit) -> HitJson:
    """A chunk that was found; ``score`` is the cosine similarity."""
    return {"content": hit.content, "score": hit.score, "metadata": hit.metadata}


def answer_json(answer: Answer, *, neighbours: int = 0, explain: bool = False) -> AnswerJson:
    """What was found for one question."""
    shown: AnswerJson = {"hits": [_passage(hit, answer, neighbours) for hit in answer.found.hits]}
    if explain:
        plan = answer.found.plan
        took = {part: round(value, 3) for part, value in (answer.milliseconds | plan.milliseconds).items()}
        shown["explain"] = {"plan": plan.kind, "reason": plan.reason, "milliseconds": took}
        if answer.not_reranked is not None:
            shown["explain"]["notReranked"] = answer.not_reranked
    return shown


def _passage(hit: Hit, answer: Answer, neighbours: int) -> PassageJson:
    metadata, place = hit.metadata, place_of(hit)
    path, total, title = metadata.get("sourceFile"), metadata.get("totalChunks"), metadata.get("title")
    headings = metadata.get("headings")
    origin = answer.surroundings.origins.get((hit.base_id, hit.version))
    shown: PassageJson = {
        "content": hit.content,
        "score": hit.score,
        "metadata": metadata,
        "chunkId": str(hit.chunk),
        "knowledgeBaseId": hit.base_id,
        "version": hit.version,
        "scoreKind": answer.kind,
        "cosine": hit.cosine,
        "sourceFile": path if isinstance(path, str) else None,
        "title": title if isinstance(title, str) else None,
        "headingPath": [each for each in headings if isinstance(each, str)]
        if isinstance(headings, list)
        else [],
        "position": _position(place, total),
        "link": link_to(origin, path) if origin and isinstance(path, str) else None,
    }
    if neighbours:
        shown["neighbours"] = _neighbours(place, answer.surroundings.near, neighbours)
    return shown


def _position(place: Place | None, total: object) -> PositionJson | None:
    if place is None:
        return None
    return {"index": place.index, "total": total if type(total) is int else None}


def _neighbours(place: Place | None, near: Mapping[Place, str], count: int) -> NeighboursJson:
    if place is None:
        return {"before": [], "after": []}

    def texts(indexes: range) -> list[str]:
        places = (Place(place.base_id, place.version, place.path, index) for index in indexes)
        return [near[each] for each in places if each in near]

    return {
        "before": texts(range(place.index - count, place.index)),
        "after": texts(range(place.index + 1, place.index + 1 + count)),
    }
