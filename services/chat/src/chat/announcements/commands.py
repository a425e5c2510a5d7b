"""Which announcements chat takes from ``chat.commands``, and the order in which each is handled."""

from backbone.handlers import Command, Router
from chat.announcements import handlers
from chat.announcements.records import Limits
from contracts.chat import AnnounceAgent, AnnounceTool


def register_commands(router: Router, limits: Limits) -> None:
    """Announcements of one agent or tool are handled in the order of the stream.

    None is remembered: they come again and again, some runtimes send them with the same id, and one that is
    handled twice is there no longer than one that came late.
    """
    router.on(AnnounceAgent, handlers.announce_agents(limits), key=_agent, natural_key=True)
    router.on(AnnounceTool, handlers.announce_tools(limits), key=_tool, natural_key=True)


def _agent(command: Command[AnnounceAgent]) -> str:
    return f"agent/{command.data.agent_id}"


def _tool(command: Command[AnnounceTool]) -> str:
    return f"tool/{command.data.name}"
