"""Which version of its agent a conversation goes on with: that of its beginning, until it is told to move."""

from collections.abc import Sequence
from uuid import UUID

from backbone import outbox
from chat.agents.rules import custom_id, custom_not_found, custom_version_not_found
from chat.conversations import repository
from chat.conversations.facts import agent_version_changed
from chat.conversations.records import Conversation, NewConversation, VersionChange
from chat.conversations.rules import no_custom_agent, not_found
from chat.custom_agents import versions_repository as versions
from chat.custom_agents.records import AgentVersion
from chat.custom_agents.repository import list_owned
from chat.custom_agents.rules import version_not_found, version_number
from common.errors import PermanentError
from common.postgres import Connection, Pool


async def name_versions(
    connection: Connection, conversations: Sequence[NewConversation]
) -> list[PermanentError | None]:
    """Give each conversation with a custom agent the newest version, unless it names one. Returns an error
    for each whose user hasn't the agent, or not in this version.

    What is named is kept until the transaction ends.
    """
    custom = [(c, custom_id(c.agent_id)) for c in conversations]
    wanted = [(agent_id, c.user_id) for c, agent_id in custom if agent_id]
    newest = await list_owned(connection, wanted) if wanted else {}
    named = [(a, c.agent_version, c.user_id) for c, a in custom if a and c.agent_version is not None]
    kept = await hold_versions(connection, named)
    errors: list[PermanentError | None] = []
    for conversation, agent_id in custom:
        version = newest.get((agent_id, conversation.user_id)) if agent_id else None
        named_version = conversation.agent_version
        if agent_id is None:
            errors.append(None)
        elif version is None:
            errors.append(custom_not_found(agent_id))
        elif named_version in (None, str(version)):
            conversation.agent_version = str(version)
            errors.append(None)
        elif named_version is not None and (agent_id, named_version) not in kept:
            errors.append(custom_version_not_found(agent_id, named_version))
        else:
            errors.append(None)
    return errors


async def hold_versions(
    connection: Connection, wanted: Sequence[tuple[UUID, str, str]]
) -> set[tuple[UUID, str]]:
    """Which of these replaced versions (agent, version, user) of custom agents are kept. They are, until the
    transaction ends."""
    numbered = [(a, n, user) for a, v, user in wanted if (n := version_number(v)) is not None]
    held = await versions.hold_versions(connection, numbered) if numbered else set()
    return {(agent_id, str(number)) for agent_id, number in held}


async def set_agent_version(connection: Connection, change: VersionChange) -> None:
    """Let a conversation go on with another version of its agent, with a fact if it is another.

    Any version of an agent of the settings is accepted, as when a conversation is created. Raises
    :class:`NotFound` for a conversation that there isn't, and :class:`Invalid` for a version that a custom
    agent hasn't.
    """
    now = await repository.lock_agent(connection, change.conversation_id)
    if now is None:
        raise not_found()
    if now.agent_version == change.agent_version:
        return
    if agent_id := custom_id(now.agent_id):
        user = now.user_id or ""
        newest = await list_owned(connection, [(agent_id, user)])
        if change.agent_version != str(newest.get((agent_id, user))) and not await hold_versions(
            connection, [(agent_id, change.agent_version, user)]
        ):
            raise custom_version_not_found(agent_id, change.agent_version)
    sequence = await repository.update_agent_version(connection, change.conversation_id, change.agent_version)
    await outbox.append(connection, [agent_version_changed(change, now.agent_id, sequence)])


async def get_agent(pool: Pool, conversation: Conversation) -> tuple[AgentVersion, int | None]:
    """The custom agent of a conversation, as it is at the conversation's version, and the agent's newest
    version; None if it was deleted.

    Raises :class:`NotFound` for a conversation without a custom agent, and for a version of which nothing is
    kept.
    """
    agent_id, user_id = custom_id(conversation.agent_id), conversation.user_id or ""
    if agent_id is None:
        raise no_custom_agent()
    number = version_number(conversation.agent_version)
    async with pool.acquire() as connection:
        newest = (await list_owned(connection, [(agent_id, user_id)])).get((agent_id, user_id))
        found = number and await versions.get_version(connection, agent_id, user_id, number)
    if not found:
        raise version_not_found()
    return found, newest
