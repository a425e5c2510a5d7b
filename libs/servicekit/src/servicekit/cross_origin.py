"""Lets pages of other origins call a service (CORS)."""

from collections.abc import Collection

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from servicekit.error_answers import CODE, TRACE_ID

_READABLE = (CODE, TRACE_ID, "ETag", "Retry-After")
"""Headers of answers that a page's script may read besides the usual ones."""


def allow_origins(app: FastAPI, origins: Collection[str]) -> None:
    """Let pages of ``origins`` call ``app`` with their users' cookies, and read its answers."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=sorted(origins),
        allow_credentials=True,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=list(_READABLE),
    )
