"""A service's events as an AsyncAPI document and as a page."""

from typing import Any

from fastapi import FastAPI
from faststream.specification.asyncapi.site import get_asyncapi_html
from starlette.responses import HTMLResponse, Response

from common import codec


def mount_asyncapi(app: FastAPI, service: str, document: dict[str, Any]) -> None:
    """Routes ``/asyncapi.json`` and ``/asyncapi``."""
    encoded = codec.dumps(document)

    @app.get("/asyncapi.json", include_in_schema=False)
    async def asyncapi_json() -> Response:
        return Response(encoded, media_type="application/json")

    @app.get("/asyncapi", include_in_schema=False)
    async def asyncapi_page() -> HTMLResponse:
        rendered: Any = RenderedSpecification(service, encoded)
        return HTMLResponse(get_asyncapi_html(rendered, try_it_out_path=None))


class RenderedSpecification:
    """The interface that FastStream's page expects of a specification."""

    def __init__(self, title: str, document: bytes) -> None:
        self.title = title
        self._document = document

    def to_json(self) -> str:
        return self._document.decode()
