"""GitHub's pushes: the real process."""

import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from tests.integration.knowledge.registry.asking import BASES, SECRET, newest_sync, wanted
from tests.support.github import GitRepository
from tests.support.knowledge import Jobs
from tests.support.plain_http import NO_TLS
from tests.support.services import Service

pytestmark = pytest.mark.timeout(120)


def delivery(event: str, payload: dict[str, Any], *, key: str = SECRET, name: str = "d-1") -> dict[str, Any]:
    """The arguments of a POST as GitHub makes it."""
    body = json.dumps(payload).encode()
    signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": name,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    return {"content": body, "headers": headers}


def push(*paths: str, ref: str = "refs/heads/main") -> dict[str, Any]:
    commits = [{"id": "1", "added": [], "modified": list(paths), "removed": []}]
    return {"ref": ref, "repository": {"full_name": "acme/handbook"}, "commits": commits}


async def test_a_push_syncs_what_it_touches_once(
    service: tuple[Service, GitRepository], redis: Redis
) -> None:
    running, repository = service
    url = f"{BASES}/webhooks/github"
    async with (
        running.client("ada") as ada,
        httpx.AsyncClient(base_url=running.url, trust_env=False, verify=NO_TLS) as github,
    ):
        await ada.post(BASES, json=wanted())
        await newest_sync(ada)
        repository.write("docs/levers.md", "The blue lever opens the hatch.")
        commit = repository.commit()

        forged = await github.post(url, **delivery("push", push("docs/levers.md"), key="guessed"))
        assert forged.status_code == 401
        unsigned = await github.post(url, json=push("docs/levers.md"))
        assert unsigned.status_code == 401
        pinged = await github.post(url, **delivery("ping", {"zen": "Design for failure."}))
        assert (pinged.status_code, pinged.json()["data"]["syncs"]) == (200, [])
        for untouched in (
            push("docs-old/x.md"),
            push("docs/x.md", ref="refs/heads/next"),
            {**push(), "deleted": True},
        ):
            answer = await github.post(url, **delivery("push", untouched))
            assert (answer.status_code, answer.json()["data"]["syncs"]) == (200, [])
        broken = await github.post(url, **delivery("push", {"ref": "refs/heads/main"}))
        assert (broken.status_code, list(broken.json()["details"])) == (400, ["repository"])

        first = await github.post(url, **delivery("push", push("docs/levers.md"), name="d-2"))
        again = await github.post(url, **delivery("push", push("docs/levers.md"), name="d-2"))
        assert first.json() == again.json()
        [asked] = first.json()["data"]["syncs"]
        assert (await Jobs(redis).finished(asked["jobId"]))["state"] == "completed"
        sync = await newest_sync(ada, count=2)
        assert (sync["trigger"], sync["commit"], sync["modified"]) == ("webhook", commit, 1)
        assert sync["jobId"] == asked["jobId"]
