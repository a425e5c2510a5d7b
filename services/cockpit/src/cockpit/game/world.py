"""What exists in the mock game besides its players: items, entities, places, the map."""

import struct
import zlib
from base64 import b64encode
from typing import Any

VERSION = "Takaro mock game server 1.0.0"
MAP_SIZE = 1024
TILE_SIZE = 32

ITEMS: tuple[dict[str, Any], ...] = (
    {"code": "wood", "name": "Wood", "description": "A log, good for burning and building"},
    {"code": "stone", "name": "Stone", "description": "Heavy, grey, everywhere"},
    {"code": "iron", "name": "Iron ingot", "description": "Smelted from ore"},
    {"code": "bread", "name": "Bread", "description": "Fills the stomach"},
    {"code": "sword", "name": "Sword", "description": "Sharp on both sides"},
    {"code": "bandage", "name": "Bandage", "description": "Stops a bleeding"},
)
ITEM_NAMES = {item["code"]: item["name"] for item in ITEMS}

ENTITIES: tuple[dict[str, Any], ...] = (
    {"code": "zombie", "name": "Zombie", "type": "hostile"},
    {"code": "wolf", "name": "Wolf", "type": "hostile"},
    {"code": "deer", "name": "Deer", "type": "neutral"},
    {"code": "trader", "name": "Trader", "type": "friendly"},
)

LOCATIONS: tuple[dict[str, Any], ...] = (
    {"code": "spawn", "name": "Spawn", "position": {"x": 0, "y": 64, "z": 0}, "radius": 32},
    {"code": "market", "name": "Market", "position": {"x": 128, "y": 66, "z": -64}, "radius": 24},
    {"code": "mine", "name": "Old mine", "position": {"x": -300, "y": 40, "z": 210}, "radius": 48},
)

MAP_INFO: dict[str, Any] = {
    "enabled": True,
    "mapBlockSize": 128,
    "maxZoom": 4,
    "mapSizeX": MAP_SIZE,
    "mapSizeY": 256,
    "mapSizeZ": MAP_SIZE,
}

SMALL_TALK = (
    "hello everyone",
    "anyone up for the old mine?",
    "found iron, plenty of it",
    "who left the gate open",
    "/ping",
    "trading bread for stone",
    "that wolf nearly had me",
    "back in a minute",
)


def map_tile(x: int, y: int, z: int) -> str:
    """A tile of the map: a PNG of one colour that depends on its position, in base64. ``z`` is the zoom."""
    colour = bytes(((x * 37 + z * 11) % 256, 96 + (y * 53) % 128, (x * 17 + y * 29) % 256))
    rows = (b"\x00" + colour * TILE_SIZE) * TILE_SIZE
    header = struct.pack(">IIBBBBB", TILE_SIZE, TILE_SIZE, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b""))
    )
    return b64encode(png).decode()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
