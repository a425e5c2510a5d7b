"""Answer for agents: be told of turns, take them, show pieces while working, and end them.

:class:`Runtime` does all that; an answer is a function that gets a :class:`Turn`.
"""

from takaro_agent_client.runtime.buses import Bus, connect
from takaro_agent_client.runtime.serving import Answer, Runtime
from takaro_agent_client.runtime.threads import WaitingTurn, in_thread
from takaro_agent_client.runtime.turn import Turn, TurnOver

__all__ = ["Answer", "Bus", "Runtime", "Turn", "TurnOver", "WaitingTurn", "connect", "in_thread"]
