"""``python -m tests.proof.launch chat --without fencing``: a service with mechanisms taken out.

They are taken out in this process, before the service is composed. The insert trigger is not: it lives in the
database (``DROP_TRIGGER``).
"""

import argparse
import runpy
from collections.abc import Callable, Sequence
from typing import Any

from tests.support import without

# Without it a message has no place, which the table refuses: so the default is one that isn't the next.
DROP_TRIGGER = """
DROP TRIGGER messages_order ON messages;
ALTER TABLE messages DROP CONSTRAINT messages_sequence_given;
DROP INDEX messages_conversation_id_sequence_unique;
ALTER TABLE messages ALTER sequence SET DEFAULT 0
"""

TAKEN_OUT: dict[str, Sequence[Callable[[without.Patch], None]]] = {
    "inbox": (without.inbox, without.natural_keys),
    "ack-after-commit": (without.acknowledgement_after_commit,),
    "drain-before-read": (without.drain,),
    "fencing": (without.fence,),
    "takeover": (without.takeover,),
    "read-fencing": (without.read_fence,),
    "stop-limits": (without.stop_limits,),
    "turn-shown": (without.messages_of_what_was_shown,),
    "turn-tokens": (without.tokens_of_turns,),
}
MECHANISMS = (*TAKEN_OUT, "insert-trigger")


class ForGood:
    """Replaces what it is told to until the process ends."""

    def setattr(self, target: Any, name: str, value: Any, /) -> None:
        setattr(target, name, value)


def main() -> None:
    """Take the mechanisms out, then run the service as ``python -m`` would."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("service", choices=["chat", "cockpit", "knowledge"])
    parser.add_argument("--without", action="append", default=[], choices=TAKEN_OUT, metavar="MECHANISM")
    arguments = parser.parse_args()
    for name in arguments.without:
        for take_out in TAKEN_OUT[name]:
            take_out(ForGood())
    runpy.run_module(arguments.service, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
