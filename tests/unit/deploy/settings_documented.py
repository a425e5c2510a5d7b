"""Every setting of the project by its name in the environment."""

from collections.abc import Iterator

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

from chat.settings import ChatSettings
from cockpit.settings import CockpitSettings
from knowledge.settings import KnowledgeSettings
from servicekit.settings import ServiceSettings
from takaro_local.settings import LocalSettings
from takaro_operator.chat_http import ChatAddress
from takaro_operator.knowledge_http import KnowledgeAddress
from takaro_operator.settings import OperatorSettings
from takaro_schema.settings import MigrationSettings

CLASSES: tuple[type[BaseModel], ...] = (
    LocalSettings,
    ChatSettings,
    KnowledgeSettings,
    CockpitSettings,
    MigrationSettings,
    OperatorSettings,
    KnowledgeAddress,
    ChatAddress,
)


def environment_names() -> Iterator[tuple[str, FieldInfo]]:
    """(name, field) of every setting; services' own ports by their own names (``CHAT_PORT``)."""
    for settings in CLASSES:
        yield from environment_names_of(settings)


def environment_names_of(settings: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """(name, field) of one class of settings."""
    prefix = str(settings.model_config.get("env_prefix", ""))
    for name, field in settings.model_fields.items():
        yield _name(settings, prefix, name, field), field


def _name(settings: type[BaseModel], prefix: str, name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        alias = str(alias.choices[0])
    if isinstance(alias, str):
        return alias.upper()
    if name == "port" and issubclass(settings, ServiceSettings):
        return f"{settings.service}_port".upper()
    return f"{prefix}{name}".upper()
