"""The embedder that the settings name."""

import httpx

from knowledge.embeddings import Embedder
from knowledge.embeddings.hashing import HashingEmbedder
from knowledge.embeddings.limits import Limits
from knowledge.embeddings.minilm import MiniLmEmbedder
from knowledge.embeddings.openai import OpenAiAccess, OpenAiEmbedder
from knowledge.settings import KnowledgeSettings
from knowledge.web.retries import Retries


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
