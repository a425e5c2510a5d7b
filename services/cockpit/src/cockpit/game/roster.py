"""Who plays on a user's server: five players, the same ones every time for the same user."""

from hashlib import sha256
from uuid import UUID, uuid5

from cockpit.game.records import GameState, Player, Position

TEAM_SIZE = 5
_NAMESPACE = UUID("6f1b3c1e-5e0d-4f5e-9d53-1c7a4b0f2a61")
_STEAM_ACCOUNTS = 76561197960265728
"""The smallest 64-bit Steam id of a person; ids above it look like Steam's own."""

_NAMES = (
    "Ada", "Bram", "Cleo", "Dax", "Edda", "Finn", "Gwen", "Hugo", "Iris", "Jonas", "Kira", "Lars", "Mila",
    "Nils", "Odette", "Piet", "Quinn", "Runa", "Sven", "Tess", "Ulf", "Vera", "Wolf", "Xenia", "Yara", "Zeno",
    "Arlo", "Bella", "Caspar", "Dora",
)  # fmt: skip


def identity_token(user_id: str) -> str:
    """The name of the server as Takaro sees it; it survives restarts."""
    return f"cockpit-{user_id}"


def game_server_id(user_id: str) -> str:
    """The id of the user's game server; it survives restarts."""
    return str(uuid5(_NAMESPACE, identity_token(user_id)))


def new_game(user_id: str) -> GameState:
    """A stopped game with the user's five players, all offline, with nothing in their pockets."""
    digest = sha256(identity_token(user_id).encode()).digest()
    start = int.from_bytes(digest[:4]) % len(_NAMES)
    # 7 shares no factor with the 30 names, so five steps never meet a name twice.
    names = [_NAMES[(start + 7 * number) % len(_NAMES)] for number in range(TEAM_SIZE)]
    return GameState(
        players=tuple(_player(user_id, number, name, digest) for number, name in enumerate(names, start=1))
    )


def _player(user_id: str, number: int, name: str, digest: bytes) -> Player:
    noise = digest[number * 4 : number * 4 + 4]
    account = int.from_bytes(digest[24:31]) % 4_000_000_000 * TEAM_SIZE + number
    return Player(
        id=str(uuid5(_NAMESPACE, f"{identity_token(user_id)}/{number}")),
        game_id=str(number),
        name=name,
        steam_id=str(_STEAM_ACCOUNTS + account),
        # 198.51.100.0/24 is TEST-NET-2 of RFC 5737, which nobody uses.
        ip=f"198.51.100.{noise[0]}",
        ping=20 + noise[1] % 80,
        position=Position(float(noise[2] * 4 - 512), 64.0, float(noise[3] * 4 - 512)),
    )
