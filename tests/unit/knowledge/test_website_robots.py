"""robots.txt is obeyed, however it was saved."""

import pytest

from common.errors import Forbidden, TransientError
from knowledge.documents.robots import ask_robots
from knowledge.sources import FileRefused
from tests.support.github import Answer
from tests.support.website import Site, opened

RULES = "User-agent: *\nDisallow: /private\nDisallow: /café\n"


async def test_robots_txt_is_respected(site: Site) -> None:
    site.robots = Answer(200, b"User-agent: *\nDisallow: /guide/levers\n")
    async with opened(site) as source:
        commit = await source.newest_commit()
        assert "/guide/levers/" not in site.asked()
        files = {file.path: file for file in await source.list_files(commit)}
        with pytest.raises(FileRefused, match=r"robots\.txt"):
            await source.read(files["guide/levers"], commit)
    site.robots = Answer(200, b"User-agent: takaro-knowledge\nDisallow: /\n")
    async with opened(site) as source:
        with pytest.raises(Forbidden, match="does not let us"):
            await source.newest_commit()
    site.robots = Answer(503, b"")
    async with opened(site) as source:
        with pytest.raises(TransientError, match="503"):
            await source.newest_commit()


@pytest.mark.parametrize(
    "content",
    [
        RULES.encode(),
        RULES.encode("utf-8-sig"),
        b"\xef\xbb\xbf\r\n\r\n" + RULES.replace("\n", "\r\n").encode(),
        b"# a comment\n" + RULES.encode("utf-8-sig"),
        b"\x00" + RULES.encode(),
        RULES.replace("\n", "\r").encode(),
        RULES.replace("\n", "\r").encode("utf-8-sig"),
        RULES.encode("utf-16"),
        RULES.encode("utf-16-le"),
        RULES.encode("utf-16-be"),
        b"\xfe\xff" + RULES.encode("utf-16-be"),
        RULES.encode("utf-32"),
    ],
)
def test_rules_are_obeyed_in_any_encoding_of_unicode(content: bytes) -> None:
    urls = ["http://h/private/x", "http://h/caf%C3%A9", "http://h/other"]
    assert ask_robots(content, "takaro-knowledge", urls)["forbidden"] == urls[:2]


def test_bytes_that_are_no_utf_8_are_those_of_the_address() -> None:
    urls = ["http://h/caf%E9", "http://h/caf%E8"]
    assert ask_robots(RULES.encode("latin-1"), "takaro-knowledge", urls)["forbidden"] == urls[:1]


async def test_a_mark_before_the_rules_changes_nothing(site: Site) -> None:
    site.robots = Answer(200, b"\xef\xbb\xbfUser-agent: *\nDisallow: /guide/\n")
    async with opened(site) as source:
        await source.newest_commit()
    assert site.asked() == ["/"]
