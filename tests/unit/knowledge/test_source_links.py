"""Links to files at their sources."""

import pytest

from knowledge.sources.links import Origin, link_to

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("source", "path", "link"),
    [
        (
            "https://github.com/gettakaro/takaro/tree/main/docs",
            "docs/a b#c?.md",
            f"https://github.com/gettakaro/takaro/blob/{COMMIT}/docs/a%20b%23c%3F.md",
        ),
        (
            "https://ghe.example/own/repo/tree/main/docs",
            "docs/x.md",
            f"https://ghe.example/own/repo/blob/{COMMIT}/docs/x.md",
        ),
        (
            "git+https://github.com/a/b.git#main:docs",
            "docs/x.md",
            f"https://github.com/a/b/blob/{COMMIT}/docs/x.md",
        ),
        (
            "https://gitlab.com/group/sub/name.git#main",
            "ä.md",
            f"https://gitlab.com/group/sub/name/-/blob/{COMMIT}/%C3%A4.md",
        ),
        (
            "git+https://codeberg.org/a/b#main",
            "x.md",
            f"https://codeberg.org/a/b/src/commit/{COMMIT}/x.md",
        ),
        (
            "git+https://bitbucket.org/a/b#main",
            "x.md",
            f"https://bitbucket.org/a/b/src/{COMMIT}/x.md",
        ),
        ("https://github.com/a/b/wiki", "Home page.md", f"https://github.com/a/b/wiki/Home%20page/{COMMIT}"),
        ("https://gist.github.com/a/0123456789", "x.md", f"https://gist.github.com/0123456789/{COMMIT}"),
        ("git+https://git.example/a/b#main", "x.md", None),
        ("file:///srv/docs", "x.md", None),
        ("sitemap+https://docs.example/sitemap.xml", "index", "https://docs.example/"),
        ("sitemap+https://docs.example/sitemap.xml", "de/Größe", "https://docs.example/de/Gr%C3%B6%C3%9Fe"),
        ("sitemap+https://docs.example/sitemap.xml", "a%2Fb", "https://docs.example/a%2Fb"),
        ("sitemap+https://docs.example/sitemap.xml", "100%", "https://docs.example/100%25"),
        ("sitemap+https://docs.example/sitemap.xml", "page?id=1&x=2", "https://docs.example/page?id=1&x=2"),
        ("sitemap+https://docs.example/sitemap.xml", "page (0123456789ab)", None),
        ("no source at all", "x.md", None),
    ],
)
def test_a_file_is_linked_where_people_read_it(source: str, path: str, link: str | None) -> None:
    assert link_to(Origin(source, COMMIT), path) == link


@pytest.mark.parametrize("commit", [None, "", "main", "../../evil", "f" * 39])
def test_without_a_commit_nothing_in_a_repository_is_linked(commit: str | None) -> None:
    assert link_to(Origin("https://github.com/a/b", commit), "x.md") is None
