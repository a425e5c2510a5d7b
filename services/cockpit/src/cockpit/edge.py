"""What every route of cockpit asks for."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path

from servicekit.auth import Caller, require_caller
from servicekit.service import Resources, get_resources

CallerParam = Annotated[Caller, Depends(require_caller)]
ResourcesParam = Annotated[Resources, Depends(get_resources)]
SessionId = Annotated[UUID, Path()]
ConversationId = Annotated[UUID, Path()]
