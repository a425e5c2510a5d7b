"""What all answers share."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """An answer: camelCase on the wire, snake_case here. Fields that this version doesn't know are kept in
    ``model_extra``."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True)


class Count(Model):
    """How many items a list has; with ``total_is_minimum`` it has more than that."""

    total: int
    total_is_minimum: bool = False
