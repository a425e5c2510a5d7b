"""The frames of Takaro's game connector: JSON text, each an object with a ``type``. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cockpit.game.records import GameEvent
from common import codec
from contracts.storable import check_json

MAX_FRAME_BYTES = 1_000_000
"""Largest frame that is read. The socket is closed with 1009 for a larger one."""

MAX_REASON = 500
"""Maximum characters of Takaro's reason for a refusal that are kept."""

MAX_ID = 255
"""Maximum characters of an id that Takaro assigns."""

PING = '{"type":"ping"}'
PONG = '{"type":"pong"}'


class Malformed(ValueError):
    """A frame that isn't one of the protocol. The text says why, without a word of the frame."""


class BadArguments(ValueError):
    """The arguments of a request can't be read."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of Takaro's. ``payload`` is whatever JSON it has; ``request_id`` is set where it must be."""

    type: str
    payload: Any = None
    request_id: str | None = None


def read_frame(raw: str | bytes) -> Frame:
    """Read a frame. Raises :class:`Malformed`."""
    if not isinstance(raw, str):
        raise Malformed("a binary frame")
    try:
        content = codec.loads(raw)
    except ValueError:
        raise Malformed("not JSON") from None
    if not isinstance(content, dict) or not isinstance(content.get("type"), str):
        raise Malformed("no object with a type")
    request_id = content.get("requestId")
    if content["type"] == "request" and not isinstance(request_id, str):
        raise Malformed("a request without a requestId")
    return Frame(content["type"], content.get("payload"), request_id if isinstance(request_id, str) else None)


def read_request(frame: Frame) -> tuple[str, Mapping[str, Any]]:
    """The action and the arguments of a request. ``args`` is a JSON string, ``[]`` or nothing if there are
    none. Raises :class:`BadArguments`."""
    payload = frame.payload
    if not isinstance(payload, dict) or not isinstance(payload.get("action"), str):
        raise BadArguments("Bad request: no action")
    args = payload.get("args")
    if isinstance(args, str):
        try:
            args = codec.loads(args) if args.strip() else None
        except ValueError:
            raise BadArguments("Bad arguments: not JSON") from None
    if args is None or args == []:
        return payload["action"], {}
    if not isinstance(args, dict):
        raise BadArguments("Bad arguments: not an object")
    try:
        check_json(args)
    except ValueError as error:
        raise BadArguments(f"Bad arguments: {error}") from None
    return payload["action"], args


def named_in(frame: Frame) -> str | None:
    """The id that an ``identifyResponse`` gives the game server; None for a refusal or anything else."""
    payload = frame.payload
    if not isinstance(payload, dict) or payload.get("error"):
        return None
    named = payload.get("gameServerId")
    return named if isinstance(named, str) and 0 < len(named) <= MAX_ID and "\x00" not in named else None


def refusal_in(frame: Frame, secret: str) -> str:
    """Why an ``identifyResponse`` refuses the game server, in at most :data:`MAX_REASON` characters.

    ``secret`` is taken out, should Takaro quote it.
    """
    payload = frame.payload
    error = payload.get("error") if isinstance(payload, dict) else None
    if isinstance(error, dict):
        error = error.get("message") or error.get("name")
    reason = error if isinstance(error, str) and error.strip() else "Takaro refused the game server"
    reason = reason.replace(secret, "[token]").replace("\x00", " ").encode(errors="replace").decode()
    return reason[:MAX_REASON]


def identify_frame(identity: str, token: str, name: str) -> str:
    """``identify``: who connects."""
    payload = {"identityToken": identity, "registrationToken": token, "name": name}
    return codec.dumps_str({"type": "identify", "payload": payload})


def response_frame(request_id: str, payload: Any) -> str:
    """The answer to a request."""
    return codec.dumps_str({"type": "response", "requestId": request_id, "payload": payload})


def error_frame(request_id: str, message: str) -> str:
    """Why a request isn't carried out."""
    return codec.dumps_str({"type": "error", "requestId": request_id, "payload": {"message": message}})


def event_frame(event: GameEvent) -> str:
    """``gameEvent``: something happened in the game."""
    payload = {"type": event.name, "data": event.data}
    return codec.dumps_str({"type": "gameEvent", "payload": payload})


def server_name(user_id: str) -> str:
    """The name of a user's server at Takaro."""
    return f"AI-Cockpit-{user_id[:8]}"
