"""The embedder that the settings name."""

import httpx

from knowledge.embeddings import Embedder
from knowledge.embeddings.hashing import HashingEmbedder
from knowledge.embeddings.limits import Limits
from knowledge.embeddings.minilm import MiniLmEmbedder
from knowledge.embeddings.openai import OpenAiAccess, OpenAiEmbedder
from knowledge.embeddings.reranking import RerankAccess, Reranker
from knowledge.settings import KnowledgeSettings
from knowledge.web.retries import Retries
from knowledge.windows import Window

_WINDOWS = (
    ("text-embedding-", 8191),
    ("qwen3-embedding", 32_768),
    ("bge-m3", 8192),
    ("nomic-embed-text", 2048),
    ("all-minilm", 256),
    ("bge-", 512),
    ("e5-", 512),
    ("gte-", 512),
    ("mxbai-embed", 512),
    ("snowflake-arctic-embed", 512),
)
"""What models read, by a part of their names, as their makers say. The first that fits counts."""

_USUAL_WINDOW = 512
"""Of a model that nobody here knows. One too small costs more chunks; one too large, content that is never
found."""


def window_of(settings: KnowledgeSettings) -> Window:
    """How much the API's model reads: as set, else as known of it."""
    name = settings.embeddings_model.lower()
    known = next((tokens for part, tokens in _WINDOWS if part in name), _USUAL_WINDOW)
    tokenizer = settings.embeddings_tokenizer
    return Window(settings.embeddings_window or known, str(tokenizer) if tokenizer else None)


def make_embedder(settings: KnowledgeSettings, http: httpx.AsyncClient) -> Embedder:
    """One for the whole process, because its limits cover everything that is embedded with it."""
    if settings.embeddings_provider == "hashing":
        return HashingEmbedder()
    if settings.embeddings_provider == "local":
        return MiniLmEmbedder()
    key = settings.embeddings_api_key
    retries = Retries(settings.http_attempts, settings.http_retry_seconds)
    return OpenAiEmbedder(
        http,
        OpenAiAccess(
            base_url=settings.embeddings_base_url,
            model=settings.embeddings_model,
            api_key=key.get_secret_value() if key else None,
            window=window_of(settings),
            batch_size=settings.embeddings_batch_size,
            timeout_seconds=settings.embeddings_timeout_seconds,
            retries=retries,
            limits=Limits(
                settings.embeddings_concurrency,
                settings.embeddings_requests_per_minute,
                settings.embeddings_tokens_per_minute,
                retries.longest_seconds,
            ),
        ),
    )


def make_reranker(settings: KnowledgeSettings, http: httpx.AsyncClient) -> Reranker | None:
    """The reranker that the settings name; ``None`` if they name none."""
    if settings.rerank_url is None:
        return None
    key = settings.rerank_api_key
    access = RerankAccess(
        settings.rerank_url,
        settings.rerank_model,
        key.get_secret_value() if key else None,
        settings.rerank_seconds,
    )
    return Reranker(http, access)
