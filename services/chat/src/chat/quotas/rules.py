"""What a quota allows. No I/O."""

import math
from collections.abc import Sequence

from chat.quotas.records import Limits, Quota
from common.errors import Invalid, QuotaExceeded
from common.json_time import json_time


def check_limits(limits: Limits) -> None:
    """Raise :class:`Invalid` for a quota that limits nothing, or warns only when it already refuses."""
    if limits.soft is None and limits.hard is None:
        raise Invalid("Validation failed", details={"hard": ["give soft, hard or both"]})
    if limits.soft is not None and limits.hard is not None and limits.soft > limits.hard:
        raise Invalid("Validation failed", details={"soft": ["is over hard"]})


def exceeded(quotas: Sequence[Quota], messages: int = 1) -> QuotaExceeded | None:
    """The error for the next messages, if one of their user's quotas doesn't allow them: the one that resets
    last."""
    exhausted = [quota for quota in quotas if not quota.allows(messages)]
    if not exhausted:
        return None
    quota = max(exhausted, key=lambda each: each.resets_at)
    kind, until = quota.kind, json_time(quota.resets_at)
    return QuotaExceeded(
        f"Quota exceeded: {quota.used} of {quota.limits.hard} {kind.measure} of this {kind.period} are used; "
        f"it resets at {until}",
        quota={
            "measure": kind.measure,
            "period": kind.period,
            "limit": quota.limits.hard,
            "used": quota.used,
            "resetsAt": until,
        },
        retry_after_seconds=max(1, math.ceil((quota.resets_at - quota.now).total_seconds())),
    )


def count(quotas: Sequence[Quota], messages: int = 1, tokens: int | None = None) -> None:
    """Count messages that are stored now."""
    for quota in quotas:
        quota.used += messages if quota.kind.measure == "messages" else max(tokens or 0, 0)


def warning(quotas: Sequence[Quota]) -> str | None:
    """What is said to a user who has reached a soft limit: one sentence for each such quota."""
    return ", ".join(_said(quota) for quota in quotas if quota.low) or None


def _said(quota: Quota) -> str:
    kind, limits = quota.kind, quota.limits
    most = limits.soft if limits.hard is None else limits.hard
    until = json_time(quota.resets_at)
    return f"{quota.used} of {most} {kind.measure} of this {kind.period} are used; it resets at {until}"
