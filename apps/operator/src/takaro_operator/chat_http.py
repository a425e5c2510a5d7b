"""Where the chat service is, and its quotas over HTTP, for ``takaro quota``."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from takaro_operator.service_http import ServiceClient


class ChatAddress(BaseSettings):
    """Where the service is and the operator's token, from the environment and ``.env``."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    chat_url: str = Field("", description="URL of the chat service; defaults to CHAT_PORT on this machine")
    chat_port: int = Field(3101, description="CHAT_PORT")
    token: SecretStr | None = Field(None, validation_alias="TAKARO_TOKEN", description="a bearer token")

    @property
    def url(self) -> str:
        return (self.chat_url or f"http://127.0.0.1:{self.chat_port}").rstrip("/")


class QuotasClient(ServiceClient):
    """Calls ``/api/quotas`` as an operator."""

    def __init__(self, operator: str | None) -> None:
        address = ChatAddress()
        super().__init__(
            "chat",
            address.url,
            "/api/quotas",
            user=operator,
            token=address.token,
            setting="CHAT_URL",
            scope="operator",
        )
