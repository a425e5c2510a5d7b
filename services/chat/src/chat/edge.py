"""What every route of chat asks for."""

from typing import Annotated
from uuid import UUID

from common.service import Resources, get_resources
from fastapi import Depends, Path

from common.auth import Caller, require_caller

CallerParam = Annotated[Caller, Depends(require_caller)]
ResourcesParam = Annotated[Resources, Depends(get_resources)]
ConversationId = Annotated[UUID, Path()]
