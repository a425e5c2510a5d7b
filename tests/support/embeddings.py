"""An embeddings API of OpenAI's form on loopback, which remembers every text that it was paid for."""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from knowledge.embeddings.hashing import hash_texts
from tests.support.github import Answer
from tests.support.web import Request, serve


@dataclass(slots=True, frozen=True)
class Call:
    """A request as it arrived; ``at`` in seconds of :func:`time.monotonic`."""

    texts: list[str]
    at: float


@dataclass
class EmbeddingsApi:
    """``bought`` counts the texts answered, by model and text; ``calls`` are in the order they came.

    ``before`` is awaited with the texts of each call: what it returns is the answer in place of vectors.
    """

    url: str = ""
    bought: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: list[Call] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    before: Callable[[list[str]], Awaitable[Answer | None]] | None = None

    def environment(self, model: str, **more: str) -> dict[str, str]:
        """What a knowledge service needs to embed here with ``model``."""
        return {
            "EMBEDDINGS_PROVIDER": "openai",
            "EMBEDDINGS_BASE_URL": self.url,
            "EMBEDDINGS_MODEL": model,
            "EMBEDDINGS_API_KEY": "test",
            **more,
        }

    def texts_of(self, model: str) -> Counter[str]:
        return Counter({text: count for (name, text), count in self.bought.items() if name == model})


@asynccontextmanager
async def serve_embeddings() -> AsyncIterator[EmbeddingsApi]:
    """Vectors of two models differ: each model turns the dimensions by the length of its name."""
    api = EmbeddingsApi()

    async def handle(request: Request) -> Answer:
        asked: dict[str, Any] = json.loads(request.body)
        api.calls.append(Call(asked["input"], time.monotonic()))
        api.under_way += 1
        api.most_under_way = max(api.most_under_way, api.under_way)
        try:
            instead = await api.before(asked["input"]) if api.before else None
            return instead or embed(asked["model"], asked["input"])
        finally:
            api.under_way -= 1

    def embed(model: str, texts: list[str]) -> Answer:
        vectors = np.roll(hash_texts(texts), len(model), axis=1)
        api.bought.update((model, text) for text in texts)
        data = [{"index": i, "embedding": vector} for i, vector in enumerate(vectors.tolist())]
        return Answer(200, json.dumps({"data": data}).encode(), {"Content-Type": "application/json"})

    async with serve(handle) as site:
        api.url = site.url
        yield api
