"""What is said in the turns that are measured: texts that hardly compress, like people's short ones."""

import random

BYTES = 600
TOOL = "search"
PATCH = {"step": 1, "notes": "what the tool has found, and the runtime keeps " * 4}
_WORDS = [f"{random.Random(i).getrandbits(28):x}" for i in range(2_000)]


def text(number: int) -> str:
    """:data:`BYTES` characters, always the same for a number."""
    rng = random.Random(number)
    return " ".join(rng.choice(_WORDS) for _ in range(100))[:BYTES]
