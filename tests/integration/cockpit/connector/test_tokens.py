"""The registration token of a user's domain comes from Takaro's ``/me`` and is kept encrypted."""

from cryptography.fernet import Fernet

from common.postgres import Pool
from takaro_connector_suite.takaro import Takaro
from tests.integration.cockpit.conftest import Converse, Streams, open_cockpit
from tests.integration.cockpit.connector.conftest import Start, is_status
from tests.support.takaro import takaro_api

SECRET = "secret"  # of tests.support.takaro
COOKIE = "takaro-token=ann-is-here"


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
