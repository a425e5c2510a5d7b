"""Our connector passes the conformance suite, and the suite finds what a broken one does wrong."""

import asyncio
import sys
from pathlib import Path

from takaro_connector_suite.__main__ import TOKEN, run_cases
from takaro_connector_suite.cases import World
from takaro_connector_suite.takaro import Takaro
from tests.integration.cockpit.conftest import Converse
from tests.integration.cockpit.connector.conftest import Start, connected, user_of

BROKEN = """
import asyncio, json, os
from websockets.asyncio.client import connect

async def main():
    async with connect(os.environ["TAKARO_CONNECT_URL"]) as socket:
        token = os.environ["TAKARO_REGISTRATION_TOKEN"]
        me = {"identityToken": "broken", "registrationToken": token}
        await socket.send(json.dumps({"type": "identify", "payload": me}))
        async for raw in socket:
            frame = json.loads(raw)
            if frame["type"] == "request":
                answer = {"type": "response", "requestId": frame["requestId"], "payload": {}}
                await socket.send(json.dumps(answer))

asyncio.run(main())
"""


async def test_our_connector_passes(start: Start, takaro: Takaro, converse: Converse) -> None:
    takaro.token = TOKEN
    service = await start(TAKARO_REGISTRATION_TOKEN=TOKEN)
    async with user_of(service, converse) as ann:
        await connected(takaro, ann)
        assert await run_cases(World(takaro)) == []


async def test_a_broken_connector_fails(tmp_path: Path) -> None:
    program = tmp_path / "broken.py"
    program.write_text(BROKEN)
    suite = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "takaro_connector_suite",
        "--command",
        f"{sys.executable} {program}",
        "--seconds",
        "2",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await suite.communicate()
    assert suite.returncode == 1
    lines = output.decode().splitlines()
    assert "passed  it identifies after the greeting" in lines
    assert "FAILED  actions that read answer in their shapes: getPlayers: {} isn't an array" in lines
    assert any(line.startswith("FAILED  malformed frames do no harm") for line in lines)
