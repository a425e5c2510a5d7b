"""robots.txt (RFC 9309): what it says to one robot about some addresses."""

from collections.abc import Sequence
from typing import Any

from protego import Protego


def ask_robots(content: bytes, agent: str, urls: Sequence[str]) -> dict[str, Any]:
    """``{"delay": seconds or None, "forbidden": [those of urls that ``agent`` may not ask for]}``."""
    robots = Protego.parse(content.decode(errors="replace"))
    delay = robots.crawl_delay(agent)
    return {
        "delay": None if delay is None else float(delay),
        "forbidden": [url for url in urls if not robots.can_fetch(url, agent)],
    }
