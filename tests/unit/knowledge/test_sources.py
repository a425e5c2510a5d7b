"""Which files belong to a base, and what a source's text names."""

import subprocess
from pathlib import Path

import pytest

from common.errors import Forbidden, Invalid, NotFound
from knowledge.documents import FileUnreadable
from knowledge.sources.folder.source import FolderSource
from knowledge.sources.location import (
    FolderLocation,
    GitHubLocation,
    GitLocation,
    SitemapLocation,
    parse_source,
)
from knowledge.sources.selection import Selection, below, git_blob_sha


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("https://github.com/acme/handbook", GitHubLocation("acme", "handbook")),
        ("https://github.com/acme/handbook/", GitHubLocation("acme", "handbook")),
        ("https://github.com/acme/handbook.git", GitHubLocation("acme", "handbook")),
        ("https://github.com/acme/handbook/tree/dev", GitHubLocation("acme", "handbook", "dev")),
        ("https://github.com/a/b/tree/dev/docs/x/", GitHubLocation("a", "b", "dev", "docs/x")),
        ("https://github.com/a/b/blob/main/README.md", GitHubLocation("a", "b", "main", "README.md")),
        (
            "https://github.com/a/b/tree/feature%2Fx/my%20docs",
            GitHubLocation("a", "b", "feature/x", "my docs"),
        ),
        (
            "https://ghe.example:8443/a/b/tree/dev/docs",
            GitHubLocation("a", "b", "dev", "docs", "ghe.example:8443"),
        ),
        ("https://gitlab.example/g/s/b.git", GitLocation("https://gitlab.example/g/s/b.git")),
        (
            "https://gitlab.example/g/b.git#main:docs/x/",
            GitLocation("https://gitlab.example/g/b.git", "main", "docs/x"),
        ),
        ("git+https://host/b#feature/x", GitLocation("https://host/b", "feature/x")),
        ("git+http://host:8080/b#:my%20docs", GitLocation("http://host:8080/b", "", "my docs")),
        ("git+https://github.com/a/b", GitLocation("https://github.com/a/b")),
        ("git+https://Gít.Example.:443/b.git", GitLocation("https://xn--gt-nja.example/b.git")),
        ("https://GitHub.com./acme/handbook", GitHubLocation("acme", "handbook")),
        (
            "https://GHE.example.:443/a/b/tree/dev/docs",
            GitHubLocation("a", "b", "dev", "docs", "ghe.example"),
        ),
        ("https://www.github.com/a/b.git/", GitHubLocation("a", "b")),
        ("git@github.com:a/b.git", GitHubLocation("a", "b")),
        ("ssh://git@github.com/a/b.git", GitHubLocation("a", "b")),
        ("git+ssh://git@GitHub.com:22/a/b/", GitHubLocation("a", "b")),
        ("https://acme.ghe.com/a/b", GitHubLocation("a", "b", host="acme.ghe.com")),
        ("https://github.com/a/b.git#next:docs", GitLocation("https://github.com/a/b.git", "next", "docs")),
        ("git+https://www.github.com/a/b", GitLocation("https://github.com/a/b")),
        ("https://github.com/a/docs.wiki.git", GitLocation("https://github.com/a/docs.wiki.git")),
        ("https://www.github.com/a/docs.wiki.git/", GitLocation("https://github.com/a/docs.wiki.git")),
        ("https://github.com/a/docs.wiki", GitLocation("https://github.com/a/docs.wiki.git")),
        ("https://github.com/a/docs/wiki/", GitLocation("https://github.com/a/docs.wiki.git")),
        (
            "https://github.com/a/docs.wiki.git#master:deep",
            GitLocation("https://github.com/a/docs.wiki.git", "master", "deep"),
        ),
        ("https://acme.ghe.com/a/docs/wiki", GitLocation("https://acme.ghe.com/a/docs.wiki.git")),
        ("https://ghe.example/a/docs.wiki.git", GitLocation("https://ghe.example/a/docs.wiki.git")),
        ("https://gist.github.com/ada/0123abcd", GitLocation("https://gist.github.com/0123abcd.git")),
        ("https://gist.github.com/0123abcd.git", GitLocation("https://gist.github.com/0123abcd.git")),
        ("https://ghe.example/gist/0123abcd.git", GitLocation("https://ghe.example/gist/0123abcd.git")),
        ("sitemap+https://Gít.Example./s.xml", SitemapLocation("https://xn--gt-nja.example/s.xml")),
        ("sitemap+https://host/sitemap.xml?x=1", SitemapLocation("https://host/sitemap.xml?x=1")),
        ("file:///srv/docs", FolderLocation(Path("/srv/docs"))),
        ("/srv/docs", FolderLocation(Path("/srv/docs"))),
    ],
)
def test_a_source_names_a_place(source: str, expected: object) -> None:
    assert parse_source(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "",
        "docs",
        "ftp://github.com/a/b",
        "https://example.org/a/b",
        "https://github.com/a",
        "https://github.com/a/b/wiki/x",
        "https://github.com/a/b/tree",
        "https://github.com/../b",
        "https://github.com/a/b/tree/main/../../c",
        "file://host/share",
        "git+ssh://git@host/a.git",
        "git@host:a/b.git",
        "ssh://host/a.git",
        "git://github.com/a/b.git",
        "git@github.com:a/b.wiki.git",
        "git@github.com:a",
        "https://github.com/orgs/acme",
        "https://github.com/topics/docs",
        "https://github.com/a/b/issues",
        "https://gist.github.com/ada",
        "https://gist.github.com/ada/0123abcd/raw/x.md",
        "https://ghe.example/a/b",
        "git+file:///srv/a.git",
        "git+https://",
        "git+https://host",
        "git+https://user:secret@host/a.git",
        "https://token@host/a.git",
        "git+https://host/a.git#--upload-pack=x",
        "git+https://host/a.git#a..b",
        "git+https://host/a.git#main:../x",
        "git+https://host/a.git#main:a//b",
        "git+https://host:port/a.git",
        "git+https://host:0/a.git",
        "git+https://ho%73t/a.git",
        "git+https://a..b/a.git",
        "git+https://127.1/a.git",
        "sitemap+ftp://host/sitemap.xml",
        "sitemap+https://me:pw@host/sitemap.xml",
        "https://[::1/a.git",
    ],
)
def test_any_other_source_is_refused(source: str) -> None:
    with pytest.raises(Invalid):
        parse_source(source)


def test_a_path_prefix_matches_whole_segments() -> None:
    assert below("docs/a.md", "docs")
    assert below("docs", "docs")
    assert not below("docs-old/a.md", "docs")
    assert not below("a/docs/a.md", "docs")
    assert below("anything", "")


def test_extensions_and_globs_select_files() -> None:
    selection = Selection((".md",), ("README.md", "docs/**"), ("**/draft-*.md",))
    taken = ["README.md", "docs/a.md", "docs/b/c.MD"]
    left = ["x/README.md", "docs/a.txt", "docs/draft-1.md", "docs/b/draft-2.md", "docs-old/a.md"]
    assert [path for path in taken + left if selection.takes(path)] == taken
    assert Selection((), ("*/?.md",)).takes("docs/a.md")
    assert not Selection((), ("*/?.md",)).takes("docs/b/a.md")


def test_the_blob_hash_is_git_s(tmp_path: Path) -> None:
    content = "Grüße\n".encode()
    (tmp_path / "f").write_bytes(content)
    hashed = subprocess.run(["git", "hash-object", tmp_path / "f"], capture_output=True, check=True)
    assert git_blob_sha(content) == hashed.stdout.decode().strip()


async def test_a_folder_has_a_commit_of_its_content(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "x.md").write_text("no")
    (folder / "a.md").write_text("one")
    (folder / "b.png").write_text("no")
    source = FolderSource(folder, [tmp_path], Selection())
    first = await source.newest_commit()
    files = await source.list_files(first)
    assert len(first) == 40
    assert [file.path for file in files] == ["a.md"]
    assert await source.read(files[0], first) == b"one"
    assert await source.newest_commit() == first
    (folder / "a.md").write_text("two")
    with pytest.raises(FileUnreadable, match="changed"):
        await source.read(files[0], first)
    assert await source.newest_commit() != first


async def test_a_renamed_file_changes_the_commit_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("one")
    source = FolderSource(tmp_path, [tmp_path], Selection())
    first = await source.newest_commit()
    (tmp_path / "a.md").rename(tmp_path / "b.md")
    assert await source.newest_commit() != first


async def test_only_allowed_folders_are_read(tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.md").write_text("secret")
    (tmp_path / "allowed" / "link.md").symlink_to(tmp_path / "secret" / "a.md")
    (tmp_path / "allowed" / "out").symlink_to(tmp_path / "secret")
    roots = [tmp_path / "allowed"]
    inside = FolderSource(tmp_path / "allowed", roots, Selection())
    assert await inside.list_files(await inside.newest_commit()) == []
    for path in (tmp_path / "secret", tmp_path / "allowed" / "out", tmp_path / "allowed" / ".." / "secret"):
        with pytest.raises(Forbidden):
            await FolderSource(path, roots, Selection()).newest_commit()
    with pytest.raises(NotFound):
        await FolderSource(tmp_path / "allowed" / "none", roots, Selection()).newest_commit()


@pytest.mark.parametrize(
    "source",
    [
        "file:///x{}y",
        "/x{}y",
        "https://github.com/a/b/tree/main/x{}y",
        "https://github.com/a/b/tree/x{}y",
        "git+https://git.example/x{}.git",
        "git+https://git.example/x.git#main:a{}b",
        "sitemap+https://site.example/x{}.xml",
        "git@github.com:a/b{}",
    ],
)
@pytest.mark.parametrize("sign", ["%00", "%0a", "%1F", "%7f", "\x00"])
def test_a_control_character_is_refused_in_every_kind_of_source(source: str, sign: str) -> None:
    with pytest.raises(Invalid, match="control character"):
        parse_source(source.format(sign))


async def test_a_folder_that_cannot_be_looked_at_is_told(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    for path in (tmp_path / "circle", tmp_path / ("x" * 300)):
        with pytest.raises(NotFound, match="can't be opened"):
            await FolderSource(path, [tmp_path], Selection()).newest_commit()
