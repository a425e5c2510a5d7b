"""Where a person goes after signing in, and what they may paste."""

import pytest

from chat.sign_in.rules import local_path, pasted_token


@pytest.mark.parametrize(
    "path", ["/", "/agents", "/agents?id=1&x=%2F%2Fevil.example#top", "/a//b", "/chat/docs"]
)
def test_a_path_of_this_origin_is_gone_to(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "agents",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/a\\b",
        "/\t/evil.example",
        "/\n/evil.example",
        "/a\r\nSet-Cookie: a=b",
        " //evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/é",
        "/" + "a" * 2_000,
    ],
)
def test_no_other_place_is(text: str | None) -> None:
    assert local_path(text) is None


TOKEN = "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text", [TOKEN, f" {TOKEN}\n", f"Bearer {TOKEN}", f"bearer  {TOKEN[:20]}\r\n{TOKEN[20:]}"]
)
def test_a_token_is_found_in_what_was_pasted(text: str) -> None:
    assert pasted_token(text) == TOKEN


@pytest.mark.parametrize("text", ["", "Bearer", "ann", "a.b", f"{TOKEN};x", f'"{TOKEN}"', f"{TOKEN}.more"])
def test_what_is_no_token(text: str) -> None:
    assert pasted_token(text) is None
