"""The facts about sessions. ``cockpit.servers.facts.Changes`` numbers them and appends them to the outbox."""

from cockpit.sessions.records import Session
from contracts.cockpit import PlayerSelected


def player_selected(session: Session, player_id: str | None) -> PlayerSelected:
    """Another player, or nobody, was selected in ``session``."""
    return PlayerSelected(
        session_id=session.id,
        conversation_id=session.conversation_id,
        user_id=session.user_id,
        player_id=player_id,
    )
