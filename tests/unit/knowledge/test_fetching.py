"""What is fetched on a user's behalf: public addresses, hop by hop, and no secret beyond its host."""

import base64
import gzip
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest

from common.errors import Forbidden, Invalid, TransientError
from knowledge.app import build
from knowledge.settings import KnowledgeSettings
from knowledge.web.fetching import Access, Fetcher, TooLarge
from knowledge.web.guarded_network import AddressRefused
from knowledge.web.public_addresses import is_public
from knowledge.web.retries import Retries
from tests.support.github import Answer
from tests.support.plain_http import NO_TLS
from tests.support.web import Request, serve


@asynccontextmanager
async def fetching(
    access: Access | None = None,
    *,
    names: dict[str, Sequence[str]] | None = None,
    allowed: Callable[[str], bool] = is_public,
) -> AsyncIterator[Fetcher]:
    """``names`` stands for the name servers."""

    async def resolver(host: str, _: int) -> Sequence[str]:
        if names is None:
            return [host]
        return names[host]

    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
        fetcher = Fetcher(
            http, access or Access(), Retries(2, 0.001, 1), resolver=resolver, allowed_address=allowed
        )
        yield fetcher
        await fetcher.close()


async def hello(_: Request) -> Answer:
    return Answer(200, b"hello")


def redirect(to: str) -> Callable[[Request], object]:
    async def handle(_: Request) -> Answer:
        return Answer(302, b"", {"Location": to})

    return handle


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "http://[::1]:1/",
        "http://[::ffff:127.0.0.1]:1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
    ],
)
async def test_private_addresses_are_refused(url: str) -> None:
    async with fetching() as fetcher:
        with pytest.raises(AddressRefused, match="isn't a public address"):
            await fetcher.get(url, max_bytes=10)


@pytest.mark.parametrize(
    "host", ["0x7f000001", "2130706433", "127.1", "0177.0.0.1", "localhost", "localhost."]
)
async def test_spellings_of_loopback_are_refused(host: str) -> None:
    async with serve(hello) as server, httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
        fetcher = Fetcher(http, Access(), Retries(1))
        with pytest.raises((AddressRefused, TransientError, Invalid)):
            await fetcher.get(f"http://{host}:{server.url.rsplit(':', 1)[1]}/", max_bytes=10)
        assert server.requests == []
        await fetcher.close()


async def test_a_name_with_one_private_address_is_refused() -> None:
    async with fetching(names={"docs.example": ["1.1.1.1", "10.0.0.5"]}) as fetcher:
        with pytest.raises(AddressRefused, match=r"docs\.example is at 10\.0\.0\.5"):
            await fetcher.get("http://docs.example/", max_bytes=10)


async def test_the_address_that_was_checked_is_dialled() -> None:
    """A name server that answers with loopback the second time is never asked a second time."""
    asked = 0

    async def rebinding(host: str, _: int) -> list[str]:
        nonlocal asked
        asked += 1
        return ["127.0.0.1"] if asked == 1 else ["127.0.0.2"]

    async with serve(hello) as server, httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
        fetcher = Fetcher(
            http, Access(), Retries(1), resolver=rebinding, allowed_address=lambda a: a == "127.0.0.1"
        )
        url = f"http://docs.example:{server.url.rsplit(':', 1)[1]}/"
        assert (await fetcher.get(url, max_bytes=10)).content == b"hello"
        assert asked == 1
        assert server.requests[0].headers["host"].startswith("docs.example:")
        with pytest.raises(AddressRefused):
            await fetcher.get(url, max_bytes=10)
        assert len(server.requests) == 1
        await fetcher.close()


async def test_a_redirect_to_a_private_address_is_refused() -> None:
    async with serve(hello) as inside, serve(redirect(f"{inside.url}/secret")) as outside:  # type: ignore[arg-type]
        async with fetching(Access(frozenset({outside.url[7:]}))) as fetcher:
            with pytest.raises(AddressRefused):
                await fetcher.get(f"{outside.url}/", max_bytes=10)
            assert inside.requests == []
        allowed = Access(frozenset({outside.url[7:], inside.url[7:]}))
        async with fetching(allowed) as fetcher:
            answer = await fetcher.get(f"{outside.url}/", max_bytes=10)
            assert (answer.content, answer.url) == (b"hello", f"{inside.url}/secret")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "gopher://127.0.0.1/", "ftp://1.1.1.1/"])
async def test_a_redirect_to_another_scheme_is_refused(target: str) -> None:
    async with (
        serve(redirect(target)) as server,  # type: ignore[arg-type]
        fetching(Access(frozenset({"127.0.0.1"}))) as fetcher,
    ):
        with pytest.raises(Invalid, match="only http and https"):
            await fetcher.get(server.url, max_bytes=10)


async def test_endless_redirects_end() -> None:
    async with (
        serve(redirect("/again")) as server,  # type: ignore[arg-type]
        fetching(Access(frozenset({"127.0.0.1"}))) as fetcher,
    ):
        with pytest.raises(Invalid, match="more than 5 redirects"):
            await fetcher.get(server.url, max_bytes=10)
        assert len(server.requests) == 6


async def test_only_the_listed_port_of_a_host_is_trusted() -> None:
    async with serve(hello) as listed, serve(hello) as other:
        async with fetching(Access(trusted_urls=(f"{listed.url}/api/v3",))) as fetcher:
            assert (await fetcher.get(listed.url, max_bytes=10)).status == 200
            with pytest.raises(AddressRefused):
                await fetcher.get(other.url, max_bytes=10)
        assert other.requests == []


async def test_credentials_stay_with_their_host() -> None:
    async with serve(hello) as other, serve(redirect(other.url)) as mine:  # type: ignore[arg-type]
        access = Access(frozenset({"127.0.0.1"}), credentials={mine.url[7:]: "ada:s3cret"})
        async with fetching(access) as fetcher:
            await fetcher.get(mine.url, max_bytes=10)
        sent = base64.b64encode(b"ada:s3cret").decode()
        assert mine.requests[0].headers["authorization"] == f"Basic {sent}"
        assert "authorization" not in other.requests[0].headers


async def test_a_password_is_not_sent_in_the_clear() -> None:
    async with fetching(Access(credentials={"docs.example": "ada:s3cret"})) as fetcher:
        assert fetcher.authorization("https://docs.example/") is not None
        assert fetcher.authorization("http://docs.example/") is None
        assert fetcher.authorization("https://docs.example.evil/") is None
        with pytest.raises(Forbidden, match="no password"):
            await fetcher.get("https://ada:s3cret@docs.example/", max_bytes=10)


def test_credentials_that_can_not_be_read_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_CREDENTIALS", '{"Git.example": "ada:s3cret"}')
    settings = KnowledgeSettings(auth_mode="dev")
    assert settings.source_credentials_by_host() == {"git.example": "ada:s3cret"}
    assert "s3cret" not in repr(settings)
    for bad, reason in (("ada:s3cret", "isn't JSON"), ('{"ada:s3cret": "git.example"}', "isn't a host")):
        monkeypatch.setenv("SOURCE_CREDENTIALS", bad)
        with pytest.raises(ValueError, match=reason) as error:
            build(KnowledgeSettings(auth_mode="dev"))
        assert "s3cret" not in "".join(traceback.format_exception(error.value))


async def test_answers_are_bounded_before_and_after_unpacking() -> None:
    async def large(request: Request) -> Answer:
        if request.path == "/bomb":
            return Answer(200, gzip.compress(b"0" * 5_000_000), {"Content-Encoding": "gzip"})
        return Answer(200, b"0" * 5000)

    async with serve(large) as server, fetching(Access(frozenset({"127.0.0.1"}))) as fetcher:
        for path in ("/", "/bomb"):
            with pytest.raises(TooLarge):
                await fetcher.get(server.url + path, max_bytes=4000)
        assert len((await fetcher.get(f"{server.url}/bomb", max_bytes=6_000_000)).content) == 5_000_000


async def test_a_packed_answer_that_is_cut_off_is_tried_again() -> None:
    packed = gzip.compress(b"whole " * 100)

    async def cut_off(request: Request) -> Answer:
        whole = request.path == "/once" and len(server.requests) > 1
        return Answer(200, packed if whole else packed[:-9], {"Content-Encoding": "gzip"})

    async with serve(cut_off) as server, fetching(Access(frozenset({"127.0.0.1"}))) as fetcher:
        assert (await fetcher.get(f"{server.url}/once", max_bytes=1000)).content == b"whole " * 100
        with pytest.raises(TransientError, match="cut off"):
            await fetcher.get(f"{server.url}/always", max_bytes=1000)


async def test_a_host_that_is_away_is_tried_again() -> None:
    async with fetching(Access(frozenset({"127.0.0.1"}))) as fetcher:
        with pytest.raises(TransientError, match="2 attempts"):
            await fetcher.get("http://127.0.0.1:9/", max_bytes=10)
    async with fetching(names={"docs.example": []}) as fetcher:
        with pytest.raises(TransientError, match="no address"):
            await fetcher.get("http://docs.example/", max_bytes=10)
