"""``takaro quota`` against a running chat."""

from uuid import uuid4

import httpx
import pytest

from tests.integration.chat.conftest import post
from tests.integration.cli.terminal import Terminal
from tests.support.services import Service

AS_OPERATOR = ("--user", "operator")


@pytest.fixture
def takaro(chat: Service) -> Terminal:
    return Terminal({"CHAT_URL": chat.url})


async def test_a_quota_is_set_shown_and_removed(takaro: Terminal, alice: httpx.AsyncClient) -> None:
    user = alice.headers["X-User-Id"]
    assert "no quotas" in (await takaro("quota", "list", user, *AS_OPERATOR)).err
    await takaro("quota", "set", user, "--soft", "1", "--hard", "2", *AS_OPERATOR)
    await takaro(
        "quota", "set", user, "--measure", "tokens", "--period", "month", "--hard", "9", *AS_OPERATOR
    )
    conversation = await post(alice, "/api/conversations", agentId="module-writer")
    await post(alice, f"/api/conversations/{conversation['id']}/messages", content="hi")
    [day, month] = (await takaro("quota", "list", user, "--json", *AS_OPERATOR)).json["quotas"]
    assert day.items() >= {"measure": "messages", "period": "day", "soft": 1, "hard": 2, "used": 1}.items()
    assert month.items() >= {"measure": "tokens", "period": "month", "soft": None, "hard": 9}.items()
    shown = (await takaro("quota", "list", user, *AS_OPERATOR)).out
    assert all(
        part in shown for part in ("messages of a day", "tokens of a month", day["resetsAt"], "the user")
    )
    await takaro("quota", "remove", user, *AS_OPERATOR)
    assert len((await takaro("quota", "list", user, "--json", *AS_OPERATOR)).json["quotas"]) == 1
    assert "no such quota" in (await takaro("quota", "remove", user, *AS_OPERATOR, expect=1)).err


async def test_what_cant_be_set_is_refused(takaro: Terminal) -> None:
    user = f"u-{uuid4()}"
    for wrong in (("--hard", "1"), (user, "--everybody", "--hard", "1"), (user,)):
        assert (await takaro("quota", "set", *wrong, *AS_OPERATOR, expect=2)).err
    assert "--scope operator" in (await takaro("quota", "list", user, expect=2)).err
    nowhere = takaro.with_settings(CHAT_URL="http://127.0.0.1:9")
    assert "CHAT_URL" in (await nowhere("quota", "list", user, *AS_OPERATOR, expect=1)).err
