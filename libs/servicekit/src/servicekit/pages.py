"""A service's pages ``/docs`` (OpenAPI) and ``/asyncapi`` (its events), and what they load.

Everything comes from the service: many of its users have no way to the internet. Addresses are relative, so
that the pages also work below a path of a proxy.
"""

from html import escape
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from common import codec

_ICON = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E"
"""An empty one: without it, browsers ask for ``/favicon.ico``."""

_HEADERS = {"Content-Security-Policy": "frame-ancestors 'none'"}
"""No other site may show these pages in a frame: they call the service with the reader's credentials."""

_ASYNCAPI = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>{title}</title>
  <link rel="icon" href="{icon}">
  <link rel="stylesheet" href="asyncapi/assets/default.min.css">
  <style>html {{ font-family: system-ui, sans-serif; line-height: 1.5 }}</style>
</head>
<body>
  <div id="asyncapi"></div>
  <script src="asyncapi/assets/index.js"></script>
  <script>
    fetch("asyncapi.json").then((answer) => answer.json()).then((schema) =>
      AsyncApiStandalone.render(
        {{ schema, config: {{ expand: {{ messageExamples: true }} }} }},
        document.getElementById("asyncapi"),
      ));
  </script>
</body>
</html>
"""


def mount_pages(app: FastAPI, service: str, asyncapi: dict[str, Any]) -> None:
    """Routes ``/docs``, ``/asyncapi``, ``/asyncapi.json`` and their scripts and styles."""
    encoded = codec.dumps(asyncapi)
    page = HTMLResponse(_ASYNCAPI.format(title=escape(f"{service}: events"), icon=_ICON), headers=_HEADERS)

    @app.get("/asyncapi.json", include_in_schema=False)
    async def asyncapi_json() -> Response:
        return Response(encoded, media_type="application/json")

    @app.get("/asyncapi", include_in_schema=False)
    async def asyncapi_page() -> HTMLResponse:
        return page

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        # A token isn't kept: every page of the origin could read it in localStorage.
        answer = get_swagger_ui_html(
            openapi_url="openapi.json",
            title=f"{service}: HTTP",
            swagger_js_url="docs/assets/swagger-ui-bundle.js",
            swagger_css_url="docs/assets/swagger-ui.css",
            swagger_favicon_url=_ICON,
            swagger_ui_parameters={"persistAuthorization": False},
        )
        answer.headers.update(_HEADERS)
        return answer

    app.mount("/asyncapi/assets", StaticFiles(directory=str(files("servicekit") / "asyncapi_react")))
    app.mount("/docs/assets", StaticFiles(directory=str(files("fastapi_offline") / "static")))
