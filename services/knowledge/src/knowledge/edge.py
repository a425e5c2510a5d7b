"""What every route of knowledge asks for."""

from typing import Annotated

from fastapi import Depends, Path, Query

from knowledge.resources import KnowledgeResources
from servicekit.auth import Caller, require_caller
from servicekit.service import get_resources

CallerParam = Annotated[Caller, Depends(require_caller)]
ResourcesParam = Annotated[KnowledgeResources, Depends(get_resources)]
BaseId = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]

OF_VERSION = "One of the base's versions (`versions` of the base)."
OneVersion = Annotated[str | None, Query(min_length=1, max_length=50, description=OF_VERSION)]
