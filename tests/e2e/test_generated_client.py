"""What openapi-python-client makes of the three documents is a client that works."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from openapi_python_client import generate
from openapi_python_client.config import Config, ConfigFile, MetaType

from tests.e2e.conftest import BASE, System
from tests.support.services import ServiceName

USER = "generated"
NOBODYS = UUID("0190b5a0-0000-7000-8000-000000000001")


class Generated:
    """The package that was generated for one service, and a client of that service."""

    def __init__(self, package: str, url: str) -> None:
        self._package = package
        self.models = importlib.import_module(f"{package}.models")
        self._client = importlib.import_module(f"{package}.client").AuthenticatedClient(
            url,
            token=USER,
            prefix="",
            auth_header_name="X-User-Id",
            raise_on_unexpected_status=True,
            httpx_args={"trust_env": False},
        )

    def close(self) -> None:
        self._client.get_httpx_client().close()

    def call(self, operation: str, *arguments: Any, **more: Any) -> Any:
        """The parsed answer of an operation, as ``tag.operationId``."""
        module = importlib.import_module(f"{self._package}.api.{operation}")
        return module.sync(*arguments, client=self._client, **more)


@pytest.fixture
def client_of(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[ServiceName], Generated]]:
    monkeypatch.syspath_prepend(str(tmp_path))
    with ExitStack() as held:

        def client(name: ServiceName) -> Generated:
            package = f"{tmp_path.name}_{name}"
            make(system[name].url, tmp_path / package)
            return held.enter_context(closing(Generated(package, system[name].url)))

        yield client


def make(url: str, package: Path) -> None:
    document = package.with_suffix(".json")
    document.write_bytes(httpx.get(f"{url}/openapi.json", trust_env=False).content)
    without_formatting = ConfigFile(post_hooks=[])
    problems = generate(
        config=Config.from_sources(without_formatting, MetaType.NONE, document, "utf-8", False, package)
    )
    # It knows no JSON Lines, and leaves out what takes or answers them.
    assert all("application/x-ndjson" in str(problem.detail) for problem in problems)


async def test_it_calls_all_three(client_of: Callable[[ServiceName], Generated]) -> None:
    chat = client_of("chat")
    new = chat.models.CreateConversation(agent_id="module-writer")
    conversation = chat.call("conversations.create_conversation", body=new).data
    assert (conversation.agent_id, conversation.user_id) == ("module-writer", USER)
    message = chat.models.PostMessage(content="hello")
    posted = chat.call("messages.post_message", conversation.id, body=message).data
    assert chat.call("messages.list_messages", conversation.id).data == [posted]
    refused = chat.call("conversations.get_conversation", NOBODYS)
    assert isinstance(refused, chat.models.Failure)
    assert refused.error == "Conversation not found"
    agent = chat.models.CreateAgent("writer", "You write.", ["a tool"], "gpt-5")
    made = chat.call("custom_agents.create_agent", body=agent)
    if isinstance(made, chat.models.Failure):  # runtimes of other tests have announced tools
        assert made.error == "Invalid tools: a tool"
    else:
        assert made.data.tools == ["a tool"]

    cockpit = client_of("cockpit")
    session = cockpit.call("sessions.get_session", conversation.id).data
    assert session.conversation_id == conversation.id

    knowledge = client_of("knowledge")
    assert [base.id for base in knowledge.call("knowledge_bases.list_knowledge_bases").data] == [BASE]


async def test_a_generated_change_sends_what_changes_alone(
    client_of: Callable[[ServiceName], Generated],
) -> None:
    """A default in the document would be sent, and take an agent's tools away."""
    chat = client_of("chat")
    assert chat.models.UpdateAgent(name="reader").to_dict() == {"name": "reader"}
    knowledge = client_of("knowledge")
    assert knowledge.models.BaseChange(public=True).to_dict() == {"public": True}
