"""What a sitemap's ``lastmod`` says (W3C's profile of ISO 8601, sitemaps.org). Pure."""

import re
from datetime import UTC, date, datetime, timedelta, timezone

_YEAR_OR_MONTH = re.compile(r"(\d{4})(?:-(0[1-9]|1[0-2]))?")
_LAST_ZONE = timezone(timedelta(hours=-12))
"""Where a day ends last. A date has no zone, so it may be anybody's."""

MARGIN_SECONDS = 3600.0
"""A clock may be wrong, and a cache in between may serve the page as it was before."""

TRUSTED_SECONDS = 24 * 3600.0
"""For so long a page with the same ``lastmod`` is believed to be the same: some sites never change it."""


def is_settled(lastmod: str, read_at: float, now: float) -> bool:
    """Whether a page that was read at ``read_at`` (seconds since the epoch) is the same ``now``, because its
    ``lastmod`` still is.

    It is not while another change could bear the same ``lastmod``: a date covers its whole day. It never is
    with a ``lastmod`` that is no date, or lies in the future.
    """
    end = _end_of(lastmod)
    return end is not None and end + MARGIN_SECONDS <= read_at <= now < read_at + TRUSTED_SECONDS


def _end_of(lastmod: str) -> float | None:
    """The last moment that ``lastmod`` can mean; ``None`` if it isn't a date."""
    try:
        if coarse := _YEAR_OR_MONTH.fullmatch(lastmod):
            year, month = int(coarse[1]), int(coarse[2] or 12)
            return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=_LAST_ZONE).timestamp()
        moment = datetime.fromisoformat(lastmod)
        if "T" not in lastmod and ":" not in lastmod:
            following = date(moment.year, moment.month, moment.day) + timedelta(days=1)
            return datetime(following.year, following.month, following.day, tzinfo=_LAST_ZONE).timestamp()
        return (moment if moment.tzinfo else moment.replace(tzinfo=_LAST_ZONE)).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None
