"""What is left of an answer that repeats a redacted message. No I/O."""

from typing import Any

from common import codec


def without_content(body: bytes, message_id: str, redacted: dict[str, Any]) -> bytes:
    """A JSON answer with ``redacted`` in place of each object with this id."""

    def clean(value: Any) -> Any:
        if isinstance(value, list):
            return [clean(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("id") == message_id:
            return redacted
        return {name: clean(item) for name, item in value.items()}

    return codec.dumps(clean(codec.loads(body)))
