"""Pages of a session's players. No I/O."""

from collections.abc import Sequence

from cockpit.game.records import Player
from servicekit.keysets import Keyset, Page, Place

PLAYERS = Keyset("players of a session", tuple[Place], order="asc")
"""By their place among the game's players, which stays the same as long as the session."""


def page_of(players: Sequence[Player], page: Page[tuple[int, ...]]) -> tuple[list[Player], str | None]:
    """The players of a page, and the cursor of the next one; None on the last page, and without a limit."""
    placed = list(enumerate(players))
    if page.descending:
        placed.reverse()
    if page.after is not None:
        after = page.after[0]
        begin = next((i for i, (place, _) in enumerate(placed) if place == after), len(placed))
        placed = placed[begin + 1 :]
    if page.limit is None or len(placed) <= page.limit:
        return [one for _, one in placed], None
    placed = placed[: page.limit]
    return [one for _, one in placed], page.cursor((placed[-1][0],))
