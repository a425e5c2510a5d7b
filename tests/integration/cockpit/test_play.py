"""The page `/play`: what its answers allow a browser, and what it loads."""

import re
from uuid import uuid4

import httpx

from tests.integration.cockpit.conftest import Cockpit, open_tab
from tests.support.services import Service

ADDRESS = re.compile(r'(?:href|src)="(/play/assets/[^"]+)"')


async def test_a_page_allows_nothing_inline_and_nothing_from_elsewhere(cockpit: Service) -> None:
    async with cockpit.client() as client:
        for path in ("/play", f"/play/{uuid4()}", f"/play/{uuid4()}/"):
            page = (await client.get(path)).raise_for_status()
            policy = page.headers["content-security-policy"]
            assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= set(policy.split("; "))
            assert "unsafe" not in policy
            assert page.headers["cache-control"] == "no-store"
            assert not re.search(r"<style|style=|<script(?![^>]* src=)|\son\w+=", page.text)
            assert not re.search(r"https?://", page.text)


async def test_its_assets_are_kept_under_an_address_of_their_content(cockpit: Service) -> None:
    async with cockpit.client() as client:
        found = ADDRESS.findall((await client.get(f"/play/{uuid4()}")).text)
        assert {address.rpartition(".")[2] for address in found} == {"css", "js", "svg"}
        for address in found:
            asset = (await client.get(address)).raise_for_status()
            assert "immutable" in asset.headers["cache-control"]
            other = re.sub(r"assets/\w+", "assets/0123456789abcdef", address)
            assert (await client.get(other)).headers["cache-control"] == "no-store", "of another release"
        assert (await client.get(f"{found[0]}.map")).status_code == 404
        assert (await client.get(found[0].replace("icon.svg", "..%2Fpage.py"))).status_code == 404


async def test_no_id_is_no_page(cockpit: Service) -> None:
    async with cockpit.client() as client:
        assert (await client.get("/play/not-a-uuid")).status_code == 400


async def test_who_is_signed_out_is_told_by_the_page_itself(cockpit: Service) -> None:
    path = f"/play/{uuid4()}"
    async with cockpit.client() as known, httpx.AsyncClient(base_url=cockpit.url, trust_env=False) as unknown:
        way = f'href="/login?next={path}"'
        assert way not in (await known.get(path)).text
        assert way in (await unknown.get(path)).text
        unknown.cookies.set("takaro_login", "ann")
        assert way not in (await unknown.get(path)).text


async def test_a_new_event_source_names_its_last_event_in_the_query(cockpit: Service, ann: Cockpit) -> None:
    await ann.start()
    await ann.run("say one")
    async with open_tab(cockpit, "ann", ann.session_id) as tab:
        last = tab.last_id()
    await ann.run("say two")
    path = f"/api/cockpit/sessions/{ann.session_id}/events"
    for query, header, expected in (
        (last, None, ["say two"]),
        ("0", last, ["say two"]),
        ("nonsense", None, None),
    ):
        headers = {"Last-Event-ID": header} if header else {}
        async with ann.client.stream("GET", path, params={"lastEventId": query}, headers=headers) as answer:
            seen = []
            async for line in answer.aiter_lines():
                seen += re.findall(r'"command":"(say \w+)"', line)
                if "say two" in seen:
                    break
        assert seen == (expected or ["say one", "say two"])
