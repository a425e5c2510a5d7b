"""How a mechanism is replaced, and replacements that do nothing."""

from typing import Any, Protocol


class Patch(Protocol):
    """``pytest.MonkeyPatch``, or something that replaces permanently."""

    def setattr(self, target: Any, name: str, value: Any, /) -> None: ...


async def nothing(*_: Any, **__: Any) -> None:
    return None


async def no(*_: Any, **__: Any) -> bool:
    return False


async def none_of_them(*_: Any, **__: Any) -> list[Any]:
    return []
