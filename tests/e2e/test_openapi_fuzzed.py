"""Schemathesis (https://schemathesis.readthedocs.io) calls every operation of the three OpenAPI documents.

A fixed sequence of values, valid and invalid, finds no 5xx, no status and no media type that isn't declared,
no answer outside its schema, and no invalid value that is taken. `make test-large` tries boundary values and
sequences of requests too.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import BASE, NAMES, System
from tests.support.services import ServiceName

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
)
"""All but those about credentials (in dev mode any id is a caller), and ``positive_data_acceptance``: a
schema can't say that an agent must exist, or that a cron expression has a next time."""
NOT_SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
"""Thousands of requests need no spans."""


async def existing(system: System, user: str) -> dict[str, str]:
    """Ids of the user's conversation, message, agent and session, and of a base, by path parameter."""
    async with system["chat"].client(user) as chat, system["cockpit"].client(user) as cockpit:
        created = await chat.post("/api/conversations", json={"agentId": "module-writer"})
        conversation = created.raise_for_status().json()["data"]["id"]
        path = f"/api/conversations/{conversation}/messages"
        posted = await chat.post(path, json={"content": "hello"})
        agent = {"name": f"fuzzed {conversation}", "systemPrompt": "You help.", "tools": [], "model": "gpt-5"}
        made = await chat.post("/api/custom-agents", json=agent)
        session = await cockpit.get(f"/api/cockpit/sessions/{conversation}")
    return {
        "conversationId": conversation,
        "conversation_id": conversation,
        "messageId": posted.raise_for_status().json()["data"]["id"],
        "agentId": made.raise_for_status().json()["data"]["id"],
        "session_id": session.raise_for_status().json()["data"]["id"],
        "kb_id": BASE,
    }


async def fuzz(system: System, name: ServiceName, *arguments: str) -> None:
    """Run Schemathesis against one service. Fails with its report if it finds something."""
    user = f"fuzz-{name}"  # of its own: chat's requests erase theirs, which goes on when they have ended
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.e2e.fuzzed_ids",
        "EXISTING_IDS": json.dumps(await existing(system, user)),
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", f"{system[name].url}/openapi.json", "--header", f"X-User-Id: {user}"),
        *("--header", f"traceparent: {NOT_SAMPLED}"),
        *("--checks", ",".join(CHECKS), "--generation-deterministic", "--continue-on-failure"),
        *("--no-color", "--warnings", "off", "--request-timeout", "60", *arguments),
        cwd=system[name].folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    report, _ = await process.communicate()
    assert process.returncode == 0, report.decode()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
async def test_no_request_gets_an_answer_that_is_not_declared(system: System, name: ServiceName) -> None:
    await fuzz(system, name, "--phases", "examples,fuzzing", "--max-examples", "4")


@pytest.mark.large
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
async def test_no_sequence_of_requests_does(system: System, name: ServiceName) -> None:
    """With values of one answer in the next request, at all boundaries, and many more of all."""
    await fuzz(system, name, "--phases", "coverage,fuzzing,stateful", "--max-examples", "100")
