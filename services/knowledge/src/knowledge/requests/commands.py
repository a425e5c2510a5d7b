"""Which handler takes which of ``knowledge.commands``."""

from backbone.handlers import Router
from contracts.knowledge import KnowledgeCommandRejected, RequestSync
from knowledge.requests.handlers import request_sync


def create_command_router() -> Router:
    """Every command of knowledge; those of one base are handled in the order of the stream."""
    router = Router("knowledge", rejected=KnowledgeCommandRejected)
    router.each(RequestSync, request_sync, key=lambda command: command.data.knowledge_base_id)
    return router
