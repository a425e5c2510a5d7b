"""Commands to the services and facts from them, over Redis Streams or Kafka.

Both buses carry the same events; :mod:`takaro_agent_client.events.redis` needs the extra ``redis``,
:mod:`takaro_agent_client.events.kafka` the extra ``kafka``.
"""

from takaro_agent_client.events.envelope import Fact, Outgoing, outgoing, read
from takaro_agent_client.events.memory import InProcess, Memory, Remembered

__all__ = ["Fact", "Outgoing", "outgoing", "read", "Memory", "InProcess", "Remembered"]
