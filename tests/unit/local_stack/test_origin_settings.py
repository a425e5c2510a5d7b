"""The settings of the origin: what can't work is refused with what to do."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from takaro_local import origin
from takaro_local.settings import LocalSettings, problems_of

UPSTREAM = "http://127.0.0.1:3000"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "index.html").touch()
    return tmp_path


def problems(**settings: str) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        LocalSettings.read(settings)
    return problems_of(refused.value)


def test_a_web_client_and_a_server_at_once_are_refused(built: Path) -> None:
    said = problems(WEB_CLIENT_DIR=str(built), WEB_UPSTREAM=UPSTREAM)
    assert said == ["WEB_UPSTREAM: WEB_CLIENT_DIR is set too: set one of them"]


def test_a_folder_without_a_web_client_is_refused(tmp_path: Path) -> None:
    [said] = problems(WEB_CLIENT_DIR=str(tmp_path))
    assert said.startswith(f"WEB_CLIENT_DIR: {tmp_path} has no index.html: ")


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:3000", "http://a/path", "http://a?b", "http://u:p@a", "ftp://a", "http://a b", "http://a:x"],
)
def test_an_upstream_that_is_no_server_is_refused(url: str) -> None:
    [said] = problems(WEB_UPSTREAM=url, WEB_UPSTREAM_PATHS="/auth/*")
    assert said == f"WEB_UPSTREAM: {url} must look like http://host:port, without a path"


@pytest.mark.parametrize("path", ["auth", "/a{b}", "/a;b", '/a"', "/a\n/b{"])
def test_paths_that_the_proxy_would_misread_are_refused(path: str) -> None:
    [said] = problems(WEB_UPSTREAM=UPSTREAM, WEB_UPSTREAM_PATHS=f"/auth/* {path}")
    assert "must look like /auth/me or /api/custom-agents*" in said


def test_paths_need_a_server_that_they_go_to() -> None:
    assert problems(WEB_UPSTREAM_PATHS="/auth/*") == [
        "WEB_UPSTREAM_PATHS: needs WEB_UPSTREAM, the server that these paths still go to"
    ]


def test_the_proxy_gets_what_it_needs(built: Path) -> None:
    plain = origin.environment(LocalSettings.read({"CHAT_PORT": "4101"}), {})
    assert (plain["CHAT_UPSTREAM"], plain["ORIGIN_PORT"], plain["WEB_KIND"]) == ("127.0.0.1:4101", "3100", "")
    files = origin.environment(LocalSettings.read({"WEB_CLIENT_DIR": str(built)}), {})
    assert (files["WEB_KIND"], files["WEB_CLIENT_DIR"]) == ("-files", str(built))
    paths = {"WEB_UPSTREAM": f"{UPSTREAM}/", "WEB_UPSTREAM_PATHS": " /auth/*  /login "}
    served = origin.environment(LocalSettings.read(paths), {})
    assert (served["WEB_KIND"], served["WEB_UPSTREAM"]) == ("-upstream", UPSTREAM)
    assert served["WEB_UPSTREAM_PATHS"] == "/auth/* /login"
