"""The shapes of the protocol's answers and events. Each check returns what is wrong, or None."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Check: TypeAlias = Callable[[Any], str | None]


def null(value: Any) -> str | None:
    """An action without a result answers ``null``."""
    return None if value is None else f"{value!r} instead of null"


def text(value: Any) -> str | None:
    """A string."""
    return None if isinstance(value, str) else f"{value!r} isn't a string"


def number(value: Any) -> str | None:
    """A number."""
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return None if good else f"{value!r} isn't a number"


def flag(value: Any) -> str | None:
    """``true`` or ``false``."""
    return None if isinstance(value, bool) else f"{value!r} is neither true nor false"


def optional(check: Check) -> Check:
    """``null``, or what ``check`` accepts."""
    return lambda value: None if value is None else check(value)


def list_of(check: Check) -> Check:
    """An array of what ``check`` accepts."""

    def checked(value: Any) -> str | None:
        if not isinstance(value, list):
            return f"{value!r} isn't an array"
        return next((f"[{i}]: {wrong}" for i, each in enumerate(value) if (wrong := check(each))), None)

    return checked


def shape(needed: Mapping[str, Check], more: Mapping[str, Check] | None = None) -> Check:
    """An object that has ``needed``, and may have ``more`` (or null for it). Other fields are ignored."""

    def checked(value: Any) -> str | None:
        if not isinstance(value, dict):
            return f"{value!r} isn't an object"
        for name, check in needed.items():
            if name not in value:
                return f"{name} is missing"
            if wrong := check(value[name]):
                return f"{name}: {wrong}"
        for name, check in (more or {}).items():
            if value.get(name) is not None and (wrong := check(value[name])):
                return f"{name}: {wrong}"
        return None

    return checked


def platform_id(value: Any) -> str | None:
    """``platform:id``."""
    platform, colon, rest = value.partition(":") if isinstance(value, str) else ("", "", "")
    return None if platform and colon and rest else f"{value!r} isn't platform:id"


def any_object(value: Any) -> str | None:
    """An object."""
    return None if isinstance(value, dict) else f"{value!r} isn't an object"


PLAYER = shape(
    {"gameId": text, "name": text},
    {
        "steamId": text,
        "epicOnlineServicesId": text,
        "xboxLiveId": text,
        "platformId": platform_id,
        "ip": text,
        "ping": number,
    },
)
POSITION = shape({"x": number, "y": number, "z": number}, {"dimension": text})
ITEM = shape({"code": text}, {"name": text, "description": text, "amount": number, "quality": text})
BAN = shape({"player": PLAYER}, {"reason": text, "expiresAt": text})
COMMAND_RESULT = shape({"success": flag, "rawResult": text}, {"errorMessage": text})
REACHABILITY = shape({"connectable": flag}, {"reason": text})
EVENTS: Mapping[str, Check] = {
    "log": shape({"msg": text}),
    "player-connected": shape({"player": PLAYER}),
    "player-disconnected": shape({"player": PLAYER}),
    "chat-message": shape({"channel": text, "msg": text}, {"player": PLAYER}),
    "player-death": shape({"player": PLAYER}, {"attacker": any_object, "position": POSITION}),
    "entity-killed": shape({"player": PLAYER, "entity": text, "weapon": text}),
}
