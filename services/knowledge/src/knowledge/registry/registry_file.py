"""The settings file of knowledge bases: YAML or JSON, ``{"knowledgeBases": [{id, source, …}]}``."""

from pathlib import Path

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from backbone.validation import explain
from common.errors import Invalid
from common.settings import WrongSetting
from contracts.storable import Text
from knowledge.bases.records import KnowledgeBase, Origin, largest_overlap
from knowledge.bases.wire import (
    CHUNK_OVERLAP,
    CHUNK_SIZE,
    EXTENSIONS,
    ChunkOverlap,
    ChunkSize,
    Extensions,
    Globs,
    Name,
    Schedule,
    SourceText,
    Version,
)
from knowledge.sources.location import FolderLocation, parse_source


class Definition(BaseModel):
    """One entry of the settings file."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    id: Name
    name: Name | None = None
    description: Text = ""
    source: SourceText
    version: Version = "latest"
    extensions: Extensions = Field(default_factory=lambda: list(EXTENSIONS))
    include: Globs = Field(default_factory=list)
    exclude: Globs = Field(default_factory=list)
    chunk_size: ChunkSize = CHUNK_SIZE
    chunk_overlap: ChunkOverlap = CHUNK_OVERLAP
    refresh_schedule: Schedule | None = None

    @model_validator(mode="after")
    def _overlap_fits(self) -> "Definition":
        if self.chunk_overlap > largest_overlap(self.chunk_size):
            raise ValueError("chunkOverlap must be at most half of chunkSize")
        return self

    def base(self, origin: Origin) -> KnowledgeBase:
        """The base that the entry declares. Its name defaults to its id."""
        return KnowledgeBase(
            id=self.id,
            name=self.name or self.id,
            description=self.description,
            source=self.source,
            version=self.version,
            extensions=tuple(self.extensions),
            include=tuple(self.include),
            exclude=tuple(self.exclude),
            chunk_size=self.chunk_size,
            chunk_overlap=self.chunk_overlap,
            refresh_schedule=self.refresh_schedule,
            origin=origin,
        )


class _File(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    knowledge_bases: list[Definition]


def read_registry_file(path: Path) -> list[KnowledgeBase]:
    """The bases that ``path`` declares. A source without a scheme is a path relative to the file.

    Raises :class:`WrongSetting` that names the file and the problem, in one line.
    """
    try:
        # JSON is YAML, so one parser reads both.
        file = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        bases = [_absolute(definition, path).base("settings") for definition in file.knowledge_bases]
        for base in bases:
            parse_source(base.source)
    except ValidationError as error:
        problem = explain(error.errors(include_url=False))
        raise WrongSetting(f"KNOWLEDGE_BASES_FILE {path}: {problem}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, Invalid) as error:
        raise WrongSetting(f"KNOWLEDGE_BASES_FILE {path}: {' '.join(str(error).split())}") from error
    if len({base.id for base in bases}) != len(bases):
        raise WrongSetting(f"KNOWLEDGE_BASES_FILE {path}: two knowledge bases share one id")
    return bases


def folders_of(bases: list[KnowledgeBase]) -> list[Path]:
    """The folders that the settings file names. An operator who lists a folder allows it."""
    locations = (parse_source(base.source) for base in bases)
    return [location.path for location in locations if isinstance(location, FolderLocation)]


def _absolute(definition: Definition, file: Path) -> Definition:
    if "://" in definition.source or definition.source.startswith("git@"):
        return definition
    folder = (file.resolve().parent / definition.source).resolve()
    return definition.model_copy(update={"source": folder.as_uri()})
