"""Names of files that can't be stored: such a file is reported, and every other one is indexed."""

import json
import os
import random
import string
from pathlib import Path
from typing import Any

from knowledge.sources.checked_paths import MAX_PATH_BYTES
from tests.integration.knowledge.conftest import Harness, reaching
from tests.support.github import Answer, GitRepository
from tests.support.web import Request, git_backend, serve


def long_path(length: int) -> str:
    """A path of that many bytes which no compression makes shorter."""
    letters = random.Random(length).choices(string.ascii_letters + string.digits, k=length)
    return "".join("/" if at % 200 == 199 else letter for at, letter in enumerate(letters[:-4])) + "z.md"


async def outcomes(harness: Harness, base_id: str = "handbook") -> dict[str, tuple[str, str | None]]:
    rows = await harness.pool.fetch(
        "SELECT path, outcome, reason FROM knowledge_files WHERE knowledge_base_id = $1", base_id
    )
    return {row["path"].partition(" (")[0]: (row["outcome"], row["reason"]) for row in rows}


async def check(harness: Harness, found: dict[str, str], base_id: str = "handbook", **more: Any) -> None:
    """Sync, and expect ``found``: reasons by names as they are shown; everything else is indexed."""
    base = harness.base(base_id, **more)
    deps = reaching(harness, "127.0.0.1")
    await harness.sync(base, deps=deps)
    seen = await outcomes(harness, base_id)
    assert {path: reason for path, (outcome, reason) in seen.items() if outcome == "unsupported"} == found
    others = {path for path, (outcome, _) in seen.items() if outcome == "indexed"}
    assert others
    assert len(others) + len(found) == len(seen)
    history = json.loads(await harness.pool.fetchval("SELECT files::text FROM knowledge_syncs LIMIT 1"))
    assert {entry["reason"] for entry in history["files"] if entry["reason"]} == set(found.values())
    assert (await harness.sync(base, deps=deps)).type == "skipped", "it is no failure that is tried again"
    await harness.sync(base, mode="full", deps=deps)
    assert await outcomes(harness, base_id) == seen
    await deps.sources.fetcher.close()


TOO_LONG = "its name is longer than 1,400 bytes"
NO_UTF_8 = "its name isn't UTF-8"
ZERO = "its name contains U+0000"


async def test_a_listing_of_github_s(harness: Harness) -> None:
    long = f"docs/{long_path(3000)}"
    odd = ["docs/half \ud83d.md", "docs/zero\x00\n.md", long, "docs/start.md", "docs/\ud800.png"]
    sha = harness.repository.git("rev-parse", "HEAD:docs/start.md")
    entries = [{"path": path, "mode": "100644", "type": "blob", "sha": sha, "size": 10} for path in odd]
    listing = Answer(200, json.dumps({"tree": entries}).encode())
    harness.github.fault = lambda target: listing if "/git/trees/" in target else None
    await check(
        harness,
        {r"docs/half \ud83d.md": NO_UTF_8, r"docs/zero\x00\n.md": ZERO, long[:200] + "…": TOO_LONG},
    )
    assert await harness.text_of("docs/start.md")
    assert harness.github.calls["raw"] == 2, "what can't be kept isn't fetched"


async def test_a_git_remote(harness: Harness) -> None:
    long = f"docs/{long_path(3000)}"
    harness.repository.write(long, "deep")
    harness.repository.write(os.fsdecode(b"docs/caf\xe9.md"), "latin")
    harness.repository.commit()
    harness.repository.git("config", "uploadpack.allowFilter", "true")
    async with serve(git_backend(harness.repository.path.parent)) as server:
        source = f"git+{server.url}/repository#main:docs"
        await check(harness, {r"docs/caf\xe9.md": NO_UTF_8, long[:200] + "…": TOO_LONG}, source=source)


async def test_a_folder(harness: Harness, tmp_path: Path) -> None:
    long = long_path(3000)
    files = GitRepository(tmp_path / "docs")
    for name in (b"a.md", b"caf\xe9.md", b"caf\xe9/a.md", long.encode(), b"new\nline.md"):
        files.write(os.fsdecode(name), "text")
    await check(
        harness,
        {r"caf\xe9.md": NO_UTF_8, r"caf\xe9/a.md": NO_UTF_8, long[:200] + "…": TOO_LONG},
        source=files.path.as_uri(),
    )
    assert await harness.text_of("new\nline.md") == ["text"]


async def test_a_website(harness: Harness) -> None:
    long = long_path(3000)

    async def site(request: Request) -> Answer:
        if request.path == "/robots.txt":
            return Answer(404, b"")
        if request.path == "/sitemap.xml":
            urls = "".join(
                f"<url><loc>{server.url}/{path}</loc></url>" for path in ("a", "b%00c", "%ff", long)
            )
            return Answer(200, f"<urlset>{urls}</urlset>".encode())
        return Answer(200, b"<p>Press the button.</p>", {"Content-Type": "text/html"})

    async with serve(site) as server:
        source = f"sitemap+{server.url}/sitemap.xml"
        await check(harness, {long[:200] + "…": TOO_LONG}, source=source)
    for name in ("a", "b%00c", "%FF"):
        assert await harness.text_of(name) == ["Press the button."], name


async def test_the_longest_name_fits_beside_the_longest_base_and_version(harness: Harness) -> None:
    path = f"docs/{long_path(MAX_PATH_BYTES - 5)}"
    harness.repository.write(path, "deep")
    harness.repository.commit()
    chance = random.Random(1)
    base_id, version = (
        "".join(chr(chance.randrange(0x10000, 0x10FFFF)) for _ in range(n)) for n in (255, 50)
    )
    await check(harness, {}, base_id, version=version)
    assert await harness.text_of(path, base_id) == ["deep"]
