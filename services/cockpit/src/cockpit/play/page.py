"""The page's HTML and its assets. No I/O but reading the package's own files, once.

Assets are at ``/play/assets/<digest>/<name>``: the digest of all of them is part of the address, so that a
browser may keep them for ever, and never mixes those of two releases.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined

ASSETS = "/play/assets"
"""Below this path."""

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # No script may write HTML: what players say is only ever text.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""The page's Content-Security-Policy: nothing inline, nothing from elsewhere, in nobody's frame."""


@dataclass(slots=True, frozen=True)
class Asset:
    """A file of the page: what it is, and its content."""

    media_type: str
    content: bytes


@dataclass(slots=True, frozen=True)
class Command:
    """A command of the console, as the page offers it."""

    usage: str
    about: str


class Pages:
    """Everything that a browser loads for the page."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self._commands = tuple(commands)
        self.assets = _read_assets()
        digest = sha256(b"".join(name.encode() + each.content for name, each in self.assets.items()))
        self.digest = digest.hexdigest()[:16]
        self._templates = Environment(
            loader=PackageLoader("cockpit.play"), autoescape=True, undefined=StrictUndefined
        )

    def game(self, conversation_id: UUID, *, signed_out: bool) -> str:
        """The page of one conversation's game. Who is signed out finds the way to ``/login`` there."""
        return self._render(
            "game.html", conversation_id=conversation_id, commands=self._commands, signed_out=signed_out
        )

    def lobby(self, *, signed_out: bool) -> str:
        """The page that leads to the games of the reader's conversations."""
        return self._render("lobby.html", signed_out=signed_out)

    def _render(self, template: str, **values: object) -> str:
        assets = f"{ASSETS}/{self.digest}"
        return self._templates.get_template(template).render(assets=assets, **values)


def _read_assets() -> Mapping[str, Asset]:
    folder = files("cockpit.play") / "assets"
    return {
        each.name: Asset(_TYPES[each.name.rpartition(".")[2]], each.read_bytes())
        for each in sorted(folder.iterdir(), key=lambda each: each.name)
    }
