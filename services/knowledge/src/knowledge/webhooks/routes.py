"""HTTP of webhooks. The signature is the caller's authentication."""

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Header, Request
from pydantic import ValidationError
from starlette.responses import Response

from common.errors import Invalid, NotAuthenticated, NotFound
from knowledge.resources import ResourcesParam
from knowledge.webhooks.rules import is_signed, looks_signed
from knowledge.webhooks.use_cases import sync_touched
from knowledge.webhooks.wire import DeliveryJson, PushPayload
from servicekit.answers import data
from servicekit.openapi import SCHEMES, answering
from servicekit.routing import create_api_router

FORM = "application/x-www-form-urlencoded"
Delivery = Annotated[str, Header(alias="X-GitHub-Delivery", min_length=1, max_length=100)]
EventName = Annotated[str, Header(alias="X-GitHub-Event", min_length=1, max_length=100)]
BODY = {
    "description": "GitHub's payload: https://docs.github.com/en/webhooks/webhook-events-and-payloads#push",
    "required": True,
    "content": {kind: {"schema": {"type": "object"}} for kind in ("application/json", FORM)},
}
"""Declared here: the route reads it itself, because the signature is over its bytes."""
SIGNATURE = "X-Hub-Signature-256"
SIGNED = {
    "type": "apiKey",
    "in": "header",
    "name": SIGNATURE,
    "description": "GitHub's HMAC of the body with `GITHUB_WEBHOOK_SECRET`: `sha256=` and 64 hex digits.",
}
REFUSED = {401: "The signature is missing or wrong.", 404: "Webhooks are off."}

router = create_api_router("/api/knowledge-bases/webhooks", ["webhooks"])


@router.post(
    "/github",
    openapi_extra={"requestBody": BODY, "security": [{"github": []}], SCHEMES: {"github": SIGNED}},
    **answering(DeliveryJson, errors=REFUSED),
)
async def receive_from_github(
    request: Request,
    resources: ResourcesParam,
    delivery: Delivery = "",
    event: EventName = "",
    signature: Annotated[str, Header(alias=SIGNATURE, max_length=200, include_in_schema=False)] = "",
) -> Response:
    """Take a delivery from GitHub: ``push`` syncs the bases that it touches, other events change nothing."""
    secret = resources.settings.github_webhook_secret
    if secret is None:
        raise NotFound("Webhooks are off: GITHUB_WEBHOOK_SECRET is not set", code="webhooks_off")
    unsigned = NotAuthenticated(
        "The signature is missing or wrong: is the webhook's secret GITHUB_WEBHOOK_SECRET?"
    )
    if not looks_signed(signature):
        raise unsigned  # without reading the body
    body = await request.body()
    if not is_signed(body, signature, secret.get_secret_value()):
        raise unsigned
    if not delivery or not event:
        raise Invalid("X-GitHub-Delivery and X-GitHub-Event are required")
    asked: list[tuple[str, str]] = []
    reason = None if event == "push" else "only pushes sync bases"
    if event == "push":
        payload = _parse(body, request.headers.get("content-type", ""))
        push = payload.push()
        if payload.deleted:
            reason = f"{push.ref} was deleted"
        else:
            asked = await sync_touched(resources.pool, push, delivery)
            if not asked:
                reason = f"no base reads what was pushed to {push.ref} of {push.host}/{push.repository}"
    answer: DeliveryJson = {
        "event": event,
        "syncs": [{"knowledgeBaseId": base_id, "jobId": job_id} for base_id, job_id in asked],
        "reason": reason,
    }
    return data(answer)


def _parse(body: bytes, content_type: str) -> PushPayload:
    """GitHub sends JSON, or a form with the JSON in ``payload``. Raises ``Invalid``."""
    text: bytes | str = body
    if content_type.startswith(FORM):
        text = parse_qs(body.decode(errors="replace")).get("payload", [""])[0]
    try:
        return PushPayload.model_validate_json(text)
    except ValidationError as error:
        details: dict[str, list[str]] = {}
        for problem in error.errors(include_url=False):
            where = ".".join(str(part) for part in problem["loc"]) or "body"
            details.setdefault(where, []).append(problem["msg"])
        raise Invalid("Validation failed", details=details) from error
