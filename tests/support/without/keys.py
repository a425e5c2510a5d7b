"""What makes a request that is sent again have its effect once."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any

from starlette.responses import Response

from servicekit import idempotency
from servicekit.idempotency import AnsweredOnce
from tests.support.without.patch import Patch


def idempotency_keys(patch: Patch) -> None:
    """A request with a key is carried out like any other."""

    async def answer(
        _: AnsweredOnce, __: Any, ___: Any, ____: str, _____: bytes, run: Callable[[], Awaitable[Response]]
    ) -> Response:
        return await run()

    patch.setattr(AnsweredOnce, "answer", answer)


def joining(patch: Patch) -> None:
    """The effect of a request commits by itself, before its answer is kept."""
    patch.setattr(idempotency, "joining", lambda *_: nullcontext())
