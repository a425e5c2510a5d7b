"""A job of the queue ``kb-sync``, as the Node application and this service both write it."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from common.errors import Invalid
from common.trace_context import TraceContext, from_carrier
from contracts.knowledge import SyncMode
from contracts.storable import Text
from knowledge.bases.records import KnowledgeBase, largest_overlap
from knowledge.bases.wire import EXTENSIONS, Extensions
from knowledge.sources.location import parse_source

QUEUE = "kb-sync"
PREFIX = "bull"
JobName = Literal["sync", "immediate-sync"]
JOB_NAMES = ("sync", "immediate-sync")


class JobData(BaseModel):
    """``{knowledgeBaseId, version, source, extensions?, chunkSize?, chunkOverlap?}``; sizes in characters.

    The Node application ignores our own fields ``mode``, ``confirmRemoval`` and ``registered``. ``mode`` is
    written only when it is ``full``, and ``confirmRemoval`` only when it is true. A ``registered`` job is for
    a base in the registry, and never registers it.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    knowledge_base_id: Annotated[Text, StringConstraints(min_length=1, max_length=255)]
    version: Annotated[Text, StringConstraints(min_length=1, max_length=50)]
    source: Annotated[Text, StringConstraints(min_length=1, max_length=2000)]
    extensions: Extensions = Field(default_factory=lambda: list(EXTENSIONS))
    chunk_size: Annotated[int, Field(ge=20, le=8000)] = 1000
    chunk_overlap: Annotated[int, Field(ge=0)] = 200
    mode: SyncMode = "incremental"
    confirm_removal: bool = False
    registered: bool = False

    @model_validator(mode="after")
    def _overlap_fits(self) -> "JobData":
        if self.chunk_overlap >= self.chunk_size:
            raise ValueError("chunkOverlap must be less than chunkSize")
        return self

    def does_as_much_as(self, mode: SyncMode, confirm_removal: bool) -> bool:
        """Whether a run of this job does what a job with these would do."""
        return (self.mode == "full" or mode != "full") and (self.confirm_removal or not confirm_removal)

    def base(self) -> KnowledgeBase:
        """The knowledge base that the job describes. An overlap of more than half a chunk, which the Node
        application allows, is taken for half."""
        return KnowledgeBase(
            id=self.knowledge_base_id,
            name=self.knowledge_base_id,
            description="",
            source=self.source,
            version=self.version,
            extensions=tuple(self.extensions),
            include=(),
            exclude=(),
            chunk_size=self.chunk_size,
            chunk_overlap=min(self.chunk_overlap, largest_overlap(self.chunk_size)),
            refresh_schedule=None,
            origin="job",
        )


def job_data_of(base: KnowledgeBase, mode: SyncMode, *, confirm_removal: bool = False) -> dict[str, Any]:
    """The data of a job that syncs ``base``."""
    data: dict[str, Any] = {
        "knowledgeBaseId": base.id,
        "version": base.version,
        "source": base.source,
        "extensions": list(base.extensions),
        "chunkSize": base.chunk_size,
        "chunkOverlap": base.chunk_overlap,
    }
    if mode == "full":
        data["mode"] = mode
    if confirm_removal:
        data["confirmRemoval"] = True
    return data


def parse_job(name: str, data: object) -> JobData:
    """The validated data of a job. Raises ``Invalid`` with a reason that a person can act on."""
    if name not in JOB_NAMES:
        raise Invalid(f"unknown job name {str(name)[:100]!r}: this queue takes {' and '.join(JOB_NAMES)}")
    if data in ({}, None):
        raise Invalid(
            "the job has no data: its repeatable was made by BullMQ 5 and lost them on the way; "
            "add the repeatable again, or upsert a job scheduler with the same key"
        )
    try:
        job = JobData.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'data'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise Invalid(f"invalid job data: {problems}") from error
    parse_source(job.source)
    return job


def trace_of(options: dict[str, Any]) -> TraceContext | None:
    """The trace context in a job's option ``tm``: a JSON string ``{"traceparent": "…", …}``."""
    try:
        carrier = json.loads(options.get("tm") or "{}")
    except (ValueError, TypeError):
        return None
    return from_carrier(carrier) if isinstance(carrier, dict) else None


def trace_options(trace: TraceContext | None) -> dict[str, str]:
    """The option that carries ``trace`` to the job's worker, in ``bullmq-otel``'s format."""
    return {"tm": json.dumps(trace.to_carrier())} if trace else {}
