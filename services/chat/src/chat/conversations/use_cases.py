"""What can be done with conversations. Functions that take a pool own the transaction; the set-wise ones
work in their caller's, so that HTTP and the stream do the same thing."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from backbone import outbox
from backbone.outbox import Fact
from chat.agents import Catalogue, custom_not_found, parse
from chat.conversations import repository
from chat.conversations.facts import created, deleted, state_changed, titled
from chat.conversations.records import (
    Conversation,
    LockedConversation,
    NewConversation,
    State,
    StateChange,
    StatePatch,
    TitleChange,
)
from chat.conversations.rules import merge_patch
from chat.custom_agents.repository import list_owned_ids
from chat.messages.repository import remember_messages
from common import codec
from common.errors import Conflict, Forbidden, NotFound, PermanentError
from common.postgres import Connection, Pool, transaction
from common.trace_context import TraceContext


def not_found() -> NotFound:
    return NotFound("Conversation not found", code="conversation_not_found")


async def check_owner(connection: Connection, user_id: str, conversation_id: UUID) -> None:
    """Raise :class:`NotFound` without such a conversation, :class:`Forbidden` when it isn't the user's.

    A legacy conversation without a user belongs to nobody.
    """
    owner = await repository.get_owner(connection, conversation_id)
    if owner is None:
        raise not_found()
    if owner[0] != user_id:
        raise Forbidden


async def list_conversations(pool: Pool, user_id: str) -> list[Conversation]:
    """All of a user's conversations, newest first."""
    async with pool.acquire() as connection:
        return await repository.list_conversations(connection, user_id)


async def list_by_agent(pool: Pool, user_id: str, agent: str, limit: int) -> list[Conversation]:
    """A user's conversations with an agent, last active first; of one version when ``agent`` names it.

    Raises :class:`common.errors.Invalid` for a name that can be no agent's.
    """
    ref = parse(agent)
    async with pool.acquire() as connection:
        return await repository.list_conversations_by_agent(
            connection, user_id, ref.agent_id, ref.version, limit
        )


async def get_conversation(pool: Pool, user_id: str, conversation_id: UUID) -> Conversation:
    """One of the user's conversations. Raises as :func:`check_owner`."""
    async with pool.acquire() as connection:
        conversation = await repository.get_conversation(connection, conversation_id)
    if conversation is None:
        raise not_found()
    if conversation.user_id != user_id:
        raise Forbidden
    return conversation


async def create_conversation(
    pool: Pool, catalogue: Catalogue, user_id: str, agent: str, version: str | None
) -> Conversation:
    """Start a conversation. Raises :class:`common.errors.Invalid` for an agent that the user can't have."""
    ref = catalogue.resolve(agent, version)
    assert ref.version is not None
    new = NewConversation(uuid4(), ref.agent_id, ref.version, user_id)
    async with transaction(pool) as connection:
        [outcome] = await create_conversations(connection, [new], new_ids=True)
        if isinstance(outcome, PermanentError):
            raise outcome
    return Conversation(
        new.id, new.agent_id, new.agent_version, user_id, None, new.provider, "{}", "{}", outcome, outcome
    )


async def create_conversations(
    connection: Connection, conversations: Sequence[NewConversation], *, new_ids: bool = False
) -> list[datetime | PermanentError]:
    """Create conversations with their facts; for each, since when it is there.

    Or why not: its id is taken, or the custom agent isn't its user's. ``new_ids`` says that no id was ever
    used before, so that each sequence begins at 1.
    """
    custom = [(c, parse(c.agent_id).custom_id) for c in conversations]
    wanted = [(agent_id, c.user_id) for c, agent_id in custom if agent_id]
    owned = await list_owned_ids(connection, wanted) if wanted else set()
    allowed = [c for c, agent_id in custom if agent_id is None or (agent_id, c.user_id) in owned]
    inserted = await repository.insert_conversations(connection, allowed) if allowed else {}
    used_before = [] if new_ids else list(inserted)
    sequences = await repository.continue_sequences(connection, used_before) if used_before else {}
    outcomes: list[datetime | PermanentError] = []
    facts: list[Fact] = []
    for conversation, agent_id in custom:
        if agent_id is not None and (agent_id, conversation.user_id) not in owned:
            outcomes.append(custom_not_found(agent_id))
        elif (created_at := inserted.pop(conversation.id, None)) is None:
            outcomes.append(Conflict("A conversation with this id exists", code="conversation_exists"))
        else:
            outcomes.append(created_at)
            facts.append(created(conversation, created_at, sequences.get(conversation.id, 1)))
    await outbox.append(connection, facts)
    return outcomes


async def get_state(pool: Pool, user_id: str, conversation_id: UUID) -> State:
    """State and version of one of the user's conversations. Raises as :func:`check_owner`."""
    async with pool.acquire() as connection:
        found = await repository.get_state(connection, conversation_id)
    if found is None:
        raise not_found()
    if found.user_id != user_id:
        raise Forbidden
    return State(found.state, found.state_version)


async def patch_state(pool: Pool, user_id: str, patch: StatePatch) -> State:
    """Merge a patch into a state. Raises as :func:`check_owner`, and :class:`Conflict` at another version."""
    async with transaction(pool) as connection:
        [outcome] = await patch_states(connection, [patch], owner=user_id)
        if isinstance(outcome, PermanentError):
            raise outcome
        return outcome


async def patch_states(
    connection: Connection, patches: Sequence[StatePatch], *, owner: str | None = None
) -> list[State | PermanentError]:
    """Apply patches in order, each to what the one before left, with a fact for each that changed anything.

    For each the state after it, or why not: no such conversation, or not ``owner``'s, when given, or a
    version that isn't awaited.
    """
    locked = await repository.lock_conversations(connection, [p.conversation_id for p in patches])
    changes: dict[UUID, StateChange] = {}
    outcomes: list[State | PermanentError] = []
    facts: list[Fact] = []
    for patch in patches:
        conversation = locked.get(patch.conversation_id)
        if conversation is None:
            outcomes.append(not_found())
        elif owner is not None and conversation.user_id != owner:
            outcomes.append(Forbidden())
        elif patch.versions is not None and conversation.state_version not in patch.versions:
            outcomes.append(
                Conflict(f"The state is at version {conversation.state_version}", code="version_conflict")
            )
        else:
            if _apply(conversation, patch):
                change = changes.setdefault(
                    patch.conversation_id, StateChange(patch.conversation_id, {}, 0, 0)
                )
                change.state, change.version = conversation.state, conversation.state_version
                change.facts += 1
                facts.append(state_changed(conversation, change.facts, patch.trace))
            outcomes.append(State(conversation.state, conversation.state_version))
    if changes:
        _number(facts, await repository.update_states(connection, list(changes.values())))
        await outbox.append(connection, facts)
    return outcomes


def _apply(conversation: LockedConversation, patch: StatePatch) -> bool:
    """Merge ``patch`` into the locked state; whether that changed it."""
    merged = merge_patch(conversation.state, patch.patch)
    if codec.dumps(merged) == codec.dumps(conversation.state):  # ``==`` would take 1, 1.0 and true for equal
        return False
    conversation.state = merged
    conversation.state_version += 1
    return True


def _number(facts: Sequence[Fact], before: dict[UUID, int]) -> None:
    """Turn each fact's place within its conversation into its sequence."""
    for fact in facts:
        fact.sequence += before[UUID(fact.subject)]


async def set_title(pool: Pool, user_id: str, change: TitleChange) -> Conversation:
    """Name one of the user's conversations. Raises as :func:`check_owner`."""
    async with transaction(pool) as connection:
        await check_owner(connection, user_id, change.conversation_id)
        [error] = await set_titles(connection, [change])
        if error:
            raise error
        conversation = await repository.get_conversation(connection, change.conversation_id)
        assert conversation is not None
        return conversation


async def set_titles(connection: Connection, changes: Sequence[TitleChange]) -> list[PermanentError | None]:
    """Set titles in order, with a fact for each; for each, why not."""
    locked = await repository.lock_conversations(connection, [c.conversation_id for c in changes])
    told: Counter[UUID] = Counter()
    last: dict[UUID, str | None] = {}
    facts: list[Fact] = []
    for change in changes:
        if change.conversation_id in locked:
            told[change.conversation_id] += 1
            last[change.conversation_id] = change.title
            facts.append(titled(change, told[change.conversation_id]))
    if facts:
        titles = [(conversation_id, title, told[conversation_id]) for conversation_id, title in last.items()]
        _number(facts, await repository.update_titles(connection, titles))
        await outbox.append(connection, facts)
    return [None if change.conversation_id in locked else not_found() for change in changes]


async def delete_conversation(pool: Pool, user_id: str, conversation_id: UUID) -> None:
    """Delete one of the user's conversations with all that hangs on it. Raises as :func:`check_owner`."""
    async with transaction(pool) as connection:
        await check_owner(connection, user_id, conversation_id)
        [error] = await delete_conversations(connection, [(conversation_id, None)])
        if error:
            raise error


async def delete_conversations(
    connection: Connection, ids: Sequence[tuple[UUID, TraceContext | None]]
) -> list[PermanentError | None]:
    """Delete conversations, given with their trace contexts, and tell it; for each, why not."""
    doomed = [conversation_id for conversation_id, _ in ids]
    await repository.lock_conversations(connection, doomed)
    await remember_messages(connection, doomed)
    gone = await repository.delete_conversations(connection, doomed)
    outcomes: list[PermanentError | None] = []
    facts: list[Fact] = []
    for conversation_id, trace in ids:
        conversation = gone.pop(conversation_id, None)
        if conversation is None:
            outcomes.append(not_found())
        else:
            outcomes.append(None)
            facts.append(deleted(conversation, trace))
    await outbox.append(connection, facts)
    return outcomes
