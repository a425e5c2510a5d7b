"""OpenAPI says of every POST that it takes an Idempotency-Key, and what else it then answers."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI

from chat.app import build as build_chat
from chat.settings import ChatSettings
from cockpit.app import build as build_cockpit
from cockpit.settings import CockpitSettings
from knowledge.app import build as build_knowledge
from knowledge.settings import KnowledgeSettings

SERVICES: dict[str, tuple[Callable[[Any], FastAPI], type[Any]]] = {
    "chat": (build_chat, ChatSettings),
    "cockpit": (build_cockpit, CockpitSettings),
    "knowledge": (build_knowledge, KnowledgeSettings),
}
SIGNED = ["/api/knowledge-bases/webhooks/github"]
"""Has no caller; GitHub's id of the delivery is its key."""


@pytest.mark.parametrize("service", SERVICES)
def test_every_post_declares_the_key(service: str) -> None:
    build, settings = SERVICES[service]
    paths = build(settings(auth_mode="dev", embeddings_provider="hashing")).openapi()["paths"]
    assert any("post" in operations for operations in paths.values())
    for path, operations in paths.items():
        for method, operation in operations.items():
            keys = [p for p in operation.get("parameters", []) if p["name"] == "Idempotency-Key"]
            assert len(keys) == (method == "post" and path not in SIGNED), (method, path)
            if keys:
                assert set(operation["responses"]) >= {"400", "401", "408", "409", "413", "422", "503"}, path
