"""What cockpit's use cases need beside the shared resources."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from cockpit.tokens.use_cases import Tokens
from servicekit.service import Resources, get_resources


@dataclass(slots=True)
class CockpitResources(Resources):
    """``tokens``: with which servers that start connect to Takaro."""

    tokens: Tokens


def extend(shared: Resources, tokens: Tokens) -> CockpitResources:
    """The shared resources and cockpit's own."""
    return CockpitResources(shared.pool, shared.redis, shared.http, shared.notifications, tokens=tokens)


CockpitResourcesParam = Annotated[CockpitResources, Depends(get_resources)]
"""The dependency of routes that need :class:`CockpitResources`."""
