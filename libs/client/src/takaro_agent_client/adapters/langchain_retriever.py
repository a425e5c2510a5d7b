"""LangChain's retriever on a knowledge base (the extra ``langchain``)."""

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, model_validator

from takaro_agent_client.async_client import AsyncClient
from takaro_agent_client.calls import Call
from takaro_agent_client.models import Found, Passage
from takaro_agent_client.operations import knowledge
from takaro_agent_client.sync_client import Client


class TakaroRetriever(BaseRetriever):
    """Finds the ``k`` chunks of a knowledge base that answer a question, best first: by meaning and by words,
    or as ``mode`` says, and only those that pass ``filters``.

    A document's metadata are the chunk's (``sourceFile``, ``chunkIndex``, …), its ``score``, what that is
    (``scoreKind``), the ``cosine`` similarity, and the ``link`` to its source. Give ``client`` to wait,
    ``async_client`` for asyncio. With ``client`` alone, asyncio waits in a thread.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    knowledge_base: str
    client: Client | None = None
    async_client: AsyncClient | None = None
    k: int = 5
    version: str | None = None
    mode: knowledge.Mode = "hybrid"
    filters: dict[str, Any] | None = None
    rerank: bool = False

    @model_validator(mode="after")
    def _has_a_client(self) -> "TakaroRetriever":
        if self.client is None and self.async_client is None:
            raise ValueError("give client or async_client")
        return self

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        if self.client is None:
            raise ValueError("give client to call this retriever without asyncio")
        return _documents(self.client.send(self._search(query, k)))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        if self.async_client is None:
            return await super()._aget_relevant_documents(query, run_manager=run_manager)
        return _documents(await self.async_client.send(self._search(query, k)))

    def _search(self, query: str, k: int | None) -> Call[Found]:
        return knowledge.find(
            [self.knowledge_base],
            query,
            limit=k or self.k,
            version=self.version,
            mode=self.mode,
            filters=self.filters,
            rerank=self.rerank,
        )


def _documents(found: Found) -> list[Document]:
    return [Document(hit.content, metadata=_metadata(hit)) for hit in found.hits]


def _metadata(hit: Passage) -> dict[str, Any]:
    own = {"score": hit.score, "scoreKind": hit.score_kind, "cosine": hit.cosine, "link": hit.link}
    return {**hit.metadata, **own}
