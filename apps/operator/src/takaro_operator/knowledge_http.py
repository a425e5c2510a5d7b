"""The knowledge service over HTTP, for ``takaro kb``."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from takaro_operator.service_http import ServiceClient


class KnowledgeAddress(BaseSettings):
    """Where the service is and the caller's token, from the environment and ``.env``."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    knowledge_url: str = Field(
        "", description="URL of the knowledge service; defaults to KNOWLEDGE_PORT on this machine"
    )
    knowledge_port: int = Field(3102, description="KNOWLEDGE_PORT")
    token: SecretStr | None = Field(None, validation_alias="TAKARO_TOKEN", description="a bearer token")

    @property
    def url(self) -> str:
        return (self.knowledge_url or f"http://127.0.0.1:{self.knowledge_port}").rstrip("/")


BASES = "/api/knowledge-bases"


class KnowledgeClient(ServiceClient):
    """Calls ``/api/knowledge-bases``, where the first part of a path is the id of a base; or below another
    ``root``."""

    def __init__(self, user: str | None, *, root: str = BASES) -> None:
        address = KnowledgeAddress()
        super().__init__(
            "knowledge",
            address.url,
            root,
            user=user,
            token=address.token,
            setting="KNOWLEDGE_URL",
        )
