"""What the services answer. Fields that this version doesn't know are kept in ``model_extra``."""

from takaro_agent_client.models.auth import Me
from takaro_agent_client.models.chat import (
    Conversation,
    Feedback,
    FoundMessage,
    Imported,
    KeptState,
    Message,
    Part,
    Replacement,
    State,
    StateVersion,
)
from takaro_agent_client.models.cockpit import CommandResult, Player, Players, ServerStatus, Session
from takaro_agent_client.models.custom_agents import (
    AgentOfConversation,
    Agents,
    BuiltinAgent,
    CustomAgent,
    CustomAgentVersion,
    OfferedBase,
    OfferedModel,
    OfferedTool,
)
from takaro_agent_client.models.erasures import ErasedByService, Erasure, ErasureReceipt
from takaro_agent_client.models.knowledge import (
    Hit,
    KnowledgeBase,
    Progress,
    Sync,
    SyncedFile,
    SyncRequest,
    WholeKnowledgeBase,
)
from takaro_agent_client.models.model import Count, Model
from takaro_agent_client.models.turns import RenewedTurn, ShownPieces, TakenTurn, Turn
from takaro_agent_client.models.usage import Measure, Period, Quota, Total, Usage, Used

__all__ = [
    "Model",
    "Count",
    "Me",
    "Conversation",
    "State",
    "StateVersion",
    "KeptState",
    "Message",
    "Feedback",
    "Replacement",
    "FoundMessage",
    "Part",
    "Imported",
    "Agents",
    "BuiltinAgent",
    "OfferedTool",
    "OfferedModel",
    "OfferedBase",
    "CustomAgent",
    "CustomAgentVersion",
    "AgentOfConversation",
    "Measure",
    "Period",
    "Quota",
    "Usage",
    "Used",
    "Total",
    "Erasure",
    "ErasedByService",
    "ErasureReceipt",
    "KnowledgeBase",
    "WholeKnowledgeBase",
    "Hit",
    "SyncRequest",
    "Sync",
    "SyncedFile",
    "Progress",
    "Session",
    "ServerStatus",
    "CommandResult",
    "Player",
    "Players",
    "Turn",
    "TakenTurn",
    "RenewedTurn",
    "ShownPieces",
]
