"""Pages that a service serves from its own package: templates, and the assets that they load.

Assets are at an address with the digest of all of them, so that a browser may keep them for ever and never
mixes those of two releases.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from common.errors import NotFound

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_KEPT = "public, max-age=31536000, immutable"

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # No script may write HTML: what others say is only ever text.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Nothing inline, nothing from elsewhere, in nobody's frame."""

_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(slots=True, frozen=True)
class _Asset:
    media_type: str
    content: bytes


class PackagedPages:
    """The folders ``templates`` and ``assets`` of a package, read once.

    ``path`` is where the service has the assets: ``<path>/<digest>/<name>``.
    """

    def __init__(self, package: str, path: str) -> None:
        self._assets = _read(package)
        digest = sha256()
        for name, asset in self._assets.items():
            digest.update(name.encode() + asset.content)
        self._digest = digest.hexdigest()[:16]
        self._address = f"{path}/{self._digest}"
        self._templates = Environment(
            loader=PackageLoader(package), autoescape=True, undefined=StrictUndefined
        )

    def page(self, template: str, **values: object) -> HTMLResponse:
        """A page that may load its own assets and call its own origin, and nothing else. The template has
        ``values``, and the address of the assets as ``assets``."""
        text = self._templates.get_template(template).render(assets=self._address, **values)
        return HTMLResponse(text, headers=_HEADERS)

    def asset(self, digest: str, name: str) -> Response:
        """Raises :class:`NotFound`. While a release is rolled out, a page of the other one may ask here: its
        browser doesn't keep the answer."""
        asset = self._assets.get(name)
        if asset is None:
            raise NotFound("The page has no such file", code="asset_not_found")
        kept = _KEPT if digest == self._digest else "no-store"
        headers = {"Cache-Control": kept, "X-Content-Type-Options": "nosniff"}
        return Response(asset.content, media_type=asset.media_type, headers=headers)


def _read(package: str) -> Mapping[str, _Asset]:
    folder = files(package) / "assets"
    return {
        each.name: _Asset(_TYPES[each.name.rpartition(".")[2]], each.read_bytes())
        for each in sorted(folder.iterdir(), key=lambda each: each.name)
    }
