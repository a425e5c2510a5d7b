"""The registration token of a user's domain comes from Takaro's ``/me`` and is kept encrypted."""

import time

import jwt
from cryptography.fernet import Fernet

from common.postgres import Pool
from takaro_connector_suite.takaro import Takaro
from tests.integration.cockpit.conftest import Converse, Streams, open_cockpit
from tests.integration.cockpit.connector.conftest import Start, is_status
from tests.support.takaro import takaro_api

SECRET = "secret"  # of tests.support.takaro
COOKIE = "takaro-token=ann-is-here"
SIGNING = "signs-the-tokens-of-these-tests-0123"


async def test_a_cookies_domain_registers_the_server(
    start: Start, takaro: Takaro, converse: Converse, pool: Pool, streams: Streams
) -> None:
    key = Fernet.generate_key().decode()
    takaro.token = SECRET
    async with takaro_api() as api:
        api.sign_in(COOKIE, "ann")
        service = await start(
            TAKARO_REGISTRATION_TOKEN="",
            COCKPIT_SECRET_KEY=key,
            AUTH_MODE="takaro",
            TAKARO_API_URL=api.url,
        )
        async with service.client("ann") as client:
            client.headers["Cookie"] = COOKIE
            client.headers["Origin"] = service.url
            ann = await open_cockpit(client, await converse("ann"))
            await ann.start()
            await is_status(ann, "running")
            assert takaro.identities[-1]["registrationToken"] == SECRET
            sealed = await pool.fetchval("SELECT token FROM cockpit_registration_tokens")
            assert SECRET.encode() not in sealed
            assert Fernet(key).decrypt(sealed) == SECRET.encode()
            await ann.stop()
            await is_status(ann, "stopped")
    log = service.log_file.read_text().replace("secret_key", "")
    assert COOKIE not in log
    assert f'"{SECRET}"' not in log
    for fact in await streams.facts():
        assert f'"{SECRET}"' not in str(fact)


async def test_takaro_gets_its_own_cookies_alone_and_gives_no_token_of_somebody_else(
    start: Start, takaro: Takaro, converse: Converse, pool: Pool
) -> None:
    """Ann is known by our own login. Takaro's cookie in her browser is Ben's."""
    login = jwt.encode({"sub": "ann", "exp": int(time.time()) + 600}, SIGNING)
    async with takaro_api() as api:
        api.sign_in(COOKIE, "ben")
        service = await start(
            TAKARO_REGISTRATION_TOKEN="",
            COCKPIT_SECRET_KEY=Fernet.generate_key().decode(),
            AUTH_MODE="jwt,takaro",
            JWT_SECRET=SIGNING,
            TAKARO_API_URL=api.url,
        )
        async with service.client("ann") as client:
            client.headers["Cookie"] = f"takaro_login={login}; {COOKIE}"
            client.headers["Origin"] = service.url
            ann = await open_cockpit(client, await converse("ann"))
            await ann.start()
            assert (await ann.status())["status"] == "running", "without a connection"
            await ann.stop()
        assert {call.headers["cookie"] for call in api.calls} == {COOKIE}
    assert await pool.fetchval("SELECT count(*) FROM cockpit_registration_tokens") == 0
    assert takaro.identities == []
