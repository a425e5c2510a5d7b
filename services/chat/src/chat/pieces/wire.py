"""Pieces on the wire."""

from typing_extensions import TypedDict

from chat.turns.wire import NO_TURN
from servicekit.forms import Uuid

MEDIA_TYPE = "application/x-ndjson"
EXAMPLE = """\
{"number":1,"type":"text","content":"I'll look at "}
{"number":2,"type":"text","content":"the players."}
{"number":3,"type":"tool_use","id":"call-1","name":"list_players","input":{"online":true}}
{"number":4,"type":"tool_result","id":"call-1","name":"list_players","result":{"success":true,"output":["Zoe"]}}
"""
BODY = {
    "required": True,
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": EXAMPLE}},
}
REFUSED = NO_TURN | {
    400: "A line isn't a piece: `details` names the line.",
    409: "The turn is over, it isn't the token's, or before a piece others are missing: `data.lastNumber`.",
    413: "A piece is too large, or the turn shows too much in all.",
    503: "Something that the service needs is away, or it stops: send again what comes after the last piece.",
}


class ShownJson(TypedDict):
    """What a turn has shown: the number of its last piece."""

    turnId: Uuid
    lastNumber: int
