"""The agents that users make."""

from dataclasses import replace
from typing import TypeAlias, TypedDict, Unpack
from uuid import UUID

from takaro_agent_client.calls import (
    Call,
    Listing,
    Order,
    call,
    conditional,
    each,
    in_camel_case,
    nothing,
    path,
)
from takaro_agent_client.models import (
    Count,
    CustomAgent,
    CustomAgentVersion,
    OfferedBase,
    OfferedModel,
    OfferedTool,
)

Id: TypeAlias = UUID | str


class Options(TypedDict, total=False):
    """What an agent has besides a name, a prompt and a model."""

    description: str | None
    tools: list[str]
    knowledge_bases: list[str]
    temperature: float | None
    max_tokens: int | None


class Changes(Options, total=False):
    """The fields that change."""

    name: str
    system_prompt: str
    model: str


def listing(*, order: Order | None = None) -> Listing[CustomAgent]:
    """The caller's custom agents, newest first."""
    return Listing("chat", path("custom-agents"), CustomAgent.model_validate, query={"order": order})


def count() -> Call[Count]:
    """How many custom agents the caller has."""
    return listing().count()


def tools() -> Call[list[OfferedTool]]:
    """The tools that a custom agent may have."""
    return call("chat", "GET", path("custom-agents", "tools"), each(OfferedTool))


def knowledge_bases() -> Call[list[OfferedBase]]:
    """The knowledge bases that a custom agent may have: public ones, and the caller's."""
    return call("chat", "GET", path("custom-agents", "knowledge-bases"), each(OfferedBase))


def models() -> Call[list[OfferedModel]]:
    """The models that a custom agent may have."""
    return call("chat", "GET", path("custom-agents", "models"), each(OfferedModel))


def create(name: str, system_prompt: str, model: str, **options: Unpack[Options]) -> Call[CustomAgent]:
    """Create an agent."""
    given = {"name": name, "system_prompt": system_prompt, "model": model, "tools": [], **options}
    return call("chat", "POST", path("custom-agents"), CustomAgent.model_validate, body=in_camel_case(given))


def get(id: Id) -> Call[CustomAgent]:
    """One of the caller's custom agents."""
    return call("chat", "GET", path("custom-agents", id), CustomAgent.model_validate)


def update(
    id: Id,
    *,
    expected_version: int | None = None,
    if_match: str | None = None,
    if_none_match: str | None = None,
    **changes: Unpack[Changes],
) -> Call[CustomAgent]:
    """Change the fields that are given.

    With a condition, :class:`Conflict` if another change came first: 409 for ``expected_version``, 412 for
    the headers. Such a call is not tried again when nobody knows whether it was carried out.
    """
    body = in_camel_case(changes)
    if expected_version is not None:
        body["expectedVersion"] = expected_version
    change = call("chat", "PUT", path("custom-agents", id), CustomAgent.model_validate, body=body)
    change = replace(change, repeatable=expected_version is None)
    return conditional(change, if_match=if_match, if_none_match=if_none_match)


def delete(id: Id) -> Call[None]:
    """Delete an agent; the conversations with it stay."""
    return Call("chat", "DELETE", path("custom-agents", id), nothing)


def versions(id: Id, *, order: Order | None = None) -> Listing[CustomAgentVersion]:
    """The versions of an agent that are kept, newest first; a deleted one's too."""
    where = path("custom-agents", id, "versions")
    return Listing("chat", where, CustomAgentVersion.model_validate, query={"order": order})


def version(id: Id, number: int) -> Call[CustomAgentVersion]:
    """An agent as it was at a version."""
    where = path("custom-agents", id, "versions", number)
    return call("chat", "GET", where, CustomAgentVersion.model_validate)
