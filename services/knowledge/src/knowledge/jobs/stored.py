"""A job as BullMQ stores it in Redis: a hash whose fields any program can write.

BullMQ's Python port parses the fields when it takes a job, and reads options again when it ends it. One that
it can't read keeps the job active, and the job comes back for ever; a lock may already be gone by then. So
the fields are read here first. What isn't usable is replaced by what BullMQ writes for a job without it, and
the job fails once, with the reason.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from contracts.storable import check_text

LARGEST = 2**53 - 1
"""The largest integer that JavaScript, and so Node's BullMQ and Redis's Lua, represent exactly."""
LAST_MILLISECOND = 253_402_300_799_999
"""The end of the year 9999."""
MOST_DOUBLINGS = 900
"""Attempts of an exponential back-off whose delay is still a number."""
REASON_CHARACTERS = 1_000

_Whole = Annotated[int, Field(strict=True, ge=0, le=LARGEST)]
_Number = Annotated[_Whole | Annotated[float, Field(ge=0, le=LARGEST, strict=True)], Field()]
_Flag = Annotated[bool, Field(strict=True)]


class Kept(BaseModel):
    model_config = ConfigDict(extra="allow")
    count: Annotated[int, Field(strict=True, ge=-1, le=LARGEST)] | None = None
    age: _Number | None = None
    limit: _Whole | None = None


class Backoff(BaseModel):
    model_config = ConfigDict(extra="allow")
    type: Literal["fixed", "exponential"]
    delay: _Number | None = None


class ParentOption(BaseModel):
    model_config = ConfigDict(extra="allow")
    id: Annotated[str, Field(min_length=1)] | _Whole
    queue: Annotated[str, Field(min_length=1)]


class Parent(BaseModel):
    model_config = ConfigDict(extra="allow")
    id: Annotated[str, Field(min_length=1)] | _Whole
    queueKey: Annotated[str, Field(min_length=1)]  # noqa: N815 (BullMQ's name)


_Keep = _Flag | Annotated[int, Field(strict=True, ge=-1, le=LARGEST)] | Kept
_OPTIONS: Mapping[str, TypeAdapter[Any]] = {
    "attempts": TypeAdapter(_Number),
    "delay": TypeAdapter(_Number),
    "priority": TypeAdapter(_Whole),
    "timestamp": TypeAdapter(_Number),
    "removeOnComplete": TypeAdapter(_Keep),
    "removeOnFail": TypeAdapter(_Keep),
    "backoff": TypeAdapter(_Number | Backoff),
    "repeat": TypeAdapter(dict[str, Any]),
    "parent": TypeAdapter(ParentOption),
    "kl": TypeAdapter(_Whole),
    "stackTraceLimit": TypeAdapter(_Whole),
    "jobId": TypeAdapter(Annotated[str, Field()] | _Whole),
    **dict.fromkeys(("fpof", "cpof", "idof", "rdof"), TypeAdapter(_Flag)),
}
"""The options that the port reads, by their stored names. Others are passed on as they are."""

_NUMBERS = {"timestamp": LAST_MILLISECOND} | dict.fromkeys(
    ("delay", "priority", "processedOn", "finishedOn", "ats", "atm", "attemptsMade", "stc"), LARGEST
)
"""Fields that hold integers, with the largest of each."""


@dataclass(slots=True)
class StoredJob:
    """``fields`` can be read by the port. ``repairs`` are the fields to write (``None``: to delete), so that
    Node's programs can list the job too. ``problem`` says why it can't run; ``None`` if it can."""

    fields: dict[str, str]
    repairs: dict[str, str | None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def problem(self) -> str | None:
        if not self.problems:
            return None
        reason = "the job can't be read: " + "; ".join(self.problems)
        return reason.encode(errors="backslashreplace").decode()[:REASON_CHARACTERS]

    def replace(self, name: str, value: str | None, problem: str) -> None:
        self.problems.append(problem)
        self.repairs[name] = value
        if value is None:
            self.fields.pop(name, None)
        else:
            self.fields[name] = value


def read_stored(job_id: str, raw: Mapping[str, str]) -> StoredJob:
    """Read the hash of a job. Bytes that aren't UTF-8 are surrogates in ``raw``."""
    job = StoredJob(dict(raw))
    try:
        check_text(job_id)
    except ValueError as error:
        job.problems.append(f"its id {error}")
    for name, value in raw.items():
        if not value.isascii() and value != value.encode(errors="backslashreplace").decode():
            job.replace(name, value.encode(errors="backslashreplace").decode(), f"{name} isn't UTF-8")
    for name, most in _NUMBERS.items():
        if name in job.fields and not _is_whole(job.fields[name], most):
            shown = job.fields[name][:50]
            job.replace(name, "0", f"{name} must be an integer from 0 to {most}, not {shown!r}")
    _read_json(job, "data", lambda _: None, json.dumps(job.fields.get("data", "")[:REASON_CHARACTERS]))
    _read_json(job, "progress", lambda _: None, "0")
    _read_json(job, "stacktrace", lambda value: None if isinstance(value, list) else "must be a list", "[]")
    _read_parent(job)
    _read_options(job)
    return job


def unreadable(raw: Mapping[str, str], error: Exception) -> StoredJob:
    """A job that the port refuses for a reason that isn't known here: only its name is left."""
    name = str(raw.get("name"))
    bare = StoredJob({"name": name, "data": '""', "opts": "{}", "timestamp": "0"})
    bare.problems.append(repr(error))
    return bare


def _is_whole(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(most)) and int(text) <= most


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _parse(text: str) -> Any:
    """JSON, strictly. Raises ``ValueError`` (too deep and too many digits too)."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _read_json(job: StoredJob, name: str, check: Callable[[Any], str | None], instead: str) -> None:
    if not job.fields.get(name):
        job.fields.pop(name, None)  # as for Node, an empty field is none
        return
    try:
        problem = check(_parse(job.fields[name]))
    except ValueError as error:
        problem = f"is no JSON ({error})"
    if problem is not None:
        job.replace(name, instead, f"{name} {problem}")


def _read_parent(job: StoredJob) -> None:
    def check(value: Any) -> str | None:
        return _problem_of(TypeAdapter(Parent), value)

    _read_json(job, "parent", check, "")
    key = job.fields.get("parentKey")
    if key is not None and (":" not in key or key.endswith(":")):
        job.problems.append(f"parentKey must end with the parent's id, not be {key[:50]!r}")
        job.repairs["parentKey"] = None
    if not {"parent", "parentKey"}.isdisjoint(job.repairs):
        for name in ("parent", "parentKey"):
            job.repairs[name] = None
            job.fields.pop(name, None)


def _read_options(job: StoredJob) -> None:
    if not job.fields.get("opts"):
        job.fields.pop("opts", None)
        return
    try:
        options = _parse(job.fields["opts"])
    except ValueError as error:
        job.replace("opts", "{}", f"opts is no JSON ({error})")
        return
    if not isinstance(options, dict):
        job.replace("opts", "{}", f"opts must be an object, not {job.fields['opts'][:50]!r}")
        return
    usable: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in options.items():
        if value is None:
            continue  # the port compares None with numbers
        adapter = _OPTIONS.get(name)
        problem = _problem_of(adapter, value) if adapter is not None else None
        if problem is None:
            usable[name] = _simplified(name, value)
        else:
            problems.append(f"opts.{name} {problem}")
    exclusive = [name for name in ("fpof", "cpof", "idof", "rdof") if usable.get(name)]
    if len(exclusive) > 1:
        problems.append(f"opts {' and '.join(exclusive)} exclude each other")
        usable = {name: value for name, value in usable.items() if name not in exclusive}
    backoff = usable.get("backoff", {})
    if backoff.get("type") == "exponential" and int(job.fields.get("atm") or 0) > MOST_DOUBLINGS:
        problems.append(f"atm: an exponential backoff allows {MOST_DOUBLINGS} attempts")
        del usable["backoff"]
    job.fields["opts"] = json.dumps(usable)
    if problems:
        job.problems += problems
        job.repairs["opts"] = job.fields["opts"]


def _simplified(name: str, value: Any) -> Any:
    """A back-off as the port calculates with it: always an object, with a delay in whole milliseconds."""
    if name == "attempts":
        return int(value)
    if name != "backoff":
        return value
    given: dict[str, Any] = {"type": "fixed", "delay": value} if isinstance(value, int | float) else value
    return {**given, "delay": round(given.get("delay") or 0)}


def _problem_of(adapter: TypeAdapter[Any], value: Any) -> str | None:
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[-1]
        return f"can't be {json.dumps(value)[:100]} ({first['msg']})"
    return None
