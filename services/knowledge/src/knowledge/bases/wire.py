"""The rules for a base's fields, shared by HTTP, settings file and jobs; and how routes name a base."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import AfterValidator, Field, StringConstraints

from contracts.storable import Text
from knowledge.bases.cron import check_schedule

_GLOB_CHARACTERS = 10_000


def _dotted(extension: str) -> str:
    return f".{extension.lstrip('.')}"


def _bounded(globs: list[str]) -> list[str]:
    if sum(map(len, globs)) > _GLOB_CHARACTERS:
        raise ValueError(f"globs take at most {_GLOB_CHARACTERS:,} characters in all")
    return globs


Name = Annotated[Text, StringConstraints(min_length=1, max_length=255)]
SourceText = Annotated[
    Text,
    StringConstraints(min_length=1, max_length=2000),
    Field(examples=["https://github.com/gettakaro/takaro/tree/main/docs"]),
]
Version = Annotated[Text, StringConstraints(min_length=1, max_length=50)]
Glob = Annotated[Text, StringConstraints(min_length=1, max_length=500)]
Globs = Annotated[list[Glob], Field(max_length=200), AfterValidator(_bounded)]
"""At most 10,000 characters in all: each file's path is compared with all of them."""

Extension = Annotated[Text, AfterValidator(_dotted), StringConstraints(min_length=2, max_length=100)]
"""Accepts ``md`` for ``.md``."""

Extensions = Annotated[list[Extension], Field(max_length=200)]
ChunkSize = Annotated[int, Field(ge=20, le=8000)]
ChunkOverlap = Annotated[int, Field(ge=0, le=8000)]
Schedule = Annotated[
    Text, StringConstraints(max_length=255), AfterValidator(check_schedule), Field(examples=["0 * * * *"])
]

EXTENSIONS: tuple[str, ...] = (".md", ".txt")
CHUNK_SIZE, CHUNK_OVERLAP = 1000, 200

NOT_FOUND = {403: "It is another user's private base.", 404: "There is no such base."}
BaseId = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]

OF_VERSION = "One of the base's versions (`versions` of the base)."
OneVersion = Annotated[str | None, Query(min_length=1, max_length=50, description=OF_VERSION)]
