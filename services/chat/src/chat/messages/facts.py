"""The facts about messages. The statement that inserts a message also records its fact."""

from chat.messages.records import NewMessage
from common import codec


def appended(message: NewMessage) -> str:
    """The beginning of a :class:`contracts.chat.MessageAppended` as JSON, up to ``createdAt`` and
    ``sequence``, which the statement adds. Missing fields are absent from the fact."""
    data = {
        "messageId": message.id,
        "conversationId": message.conversation_id,
        "role": message.role,
        "content": message.content,
        "toolCalls": message.tool_calls,
        "toolResults": message.tool_results,
        "tokenCount": message.token_count,
        "latencyMs": message.latency_ms,
        "model": message.model,
        "incomplete": message.incomplete,
    }
    return codec.dumps_str({name: value for name, value in data.items() if value is not None})[:-1]
