"""LangChain's retriever on a knowledge base, with LangChain's own cases for retrievers."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from takaro_agent_client import AsyncClient, Client
from takaro_agent_client.adapters.langchain_retriever import TakaroRetriever
from takaro_agent_client.operations import knowledge
from tests.conftest import _database as make_database
from tests.integration.knowledge.service.asking import synced
from tests.support.knowledge import knowledge_service
from tests.support.plain_http import NO_TLS
from tests.support.servers import PostgresServer
from tests.support.services import Service

pytestmark = pytest.mark.timeout(120)

USER, BASE = "langchain", "guide"
QUESTION = "How do I stop the machine?"


@pytest.fixture(scope="module")
def shared_database(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    yield from make_database(postgres_server, template_database)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    shared_database: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """A service with a base of three chunks, synced."""
    folder = tmp_path_factory.mktemp("retriever")
    (folder / "docs").mkdir()
    (folder / "docs" / "levers.md").write_text("# Levers\n\nPull the red lever to stop the machine.")
    (folder / "docs" / "buttons.md").write_text("# Buttons\n\nThe green button starts the machine. " * 40)
    bases = folder / "bases.yaml"
    bases.write_text("knowledgeBases:\n- {id: guide, name: Guide, source: docs}\n")
    environment = {"KNOWLEDGE_BASES_FILE": str(bases), "LOCAL_SOURCES_ROOT": str(folder)}
    async with knowledge_service(
        shared_database, f"{redis_url}/9", folder / "service", **environment
    ) as service:
        async with service.client() as http:
            await synced(http)
        yield service


@pytest.fixture
def client(shared: Service) -> Iterator[Client]:
    with httpx.Client(trust_env=False, timeout=60, verify=NO_TLS) as http:
        yield Client(knowledge=shared.url, user=USER, http=http)


class TestRetriever(RetrieversIntegrationTests):
    """LangChain's own cases."""

    @pytest.fixture(autouse=True)
    def connected(self, client: Client) -> None:
        self.client = client

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return TakaroRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"client": self.client, "knowledge_base": BASE}

    @property
    def retriever_query_example(self) -> str:
        return QUESTION


async def test_documents_say_where_they_are_from(client: Client, shared: Service) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=60, verify=NO_TLS) as http:
        concurrent = AsyncClient(knowledge=shared.url, user=USER, http=http)
        retriever = TakaroRetriever(async_client=concurrent, knowledge_base=BASE, k=1)
        [document] = await retriever.ainvoke(QUESTION)
        [hit] = (await concurrent.send(knowledge.find([BASE], QUESTION, limit=1))).hits
        by_meaning = TakaroRetriever(
            async_client=concurrent,
            knowledge_base=BASE,
            mode="vector",
            filters={"path": {"prefix": "butt"}},
        )
        others = await by_meaning.ainvoke(QUESTION)
        with pytest.raises(ValueError, match="give client"):
            retriever.invoke(QUESTION)
    assert document.page_content.startswith("# Levers")
    more = {"score": hit.score, "scoreKind": "rrf", "cosine": hit.cosine, "link": None}
    assert document.metadata == {**hit.metadata, **more}
    assert {(each.metadata["sourceFile"], each.metadata["scoreKind"]) for each in others} == {
        ("buttons.md", "cosine")
    }
    with pytest.raises(ValueError, match="give client or async_client"):
        TakaroRetriever(knowledge_base=BASE)
