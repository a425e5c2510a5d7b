"""Talk in a conversation: each line that you type is a message; what others write to it is shown.

python examples/talk.py                    # a new conversation
python examples/talk.py <conversation id>  # goes on with this one
"""

import sys

from connection import settings
from takaro_agent_client import Client, ClientError
from takaro_agent_client.operations import conversations, messages


def main() -> None:
    with Client(**settings()) as client:
        if len(sys.argv) > 1:
            conversation = client.send(conversations.get(sys.argv[1]))
        else:
            conversation = client.send(conversations.create("module-writer"))
        seen = show(client, str(conversation.id), after=0)
        for line in map(str.strip, sys.stdin):
            if line:
                client.send(messages.post(conversation.id, line))  # tried again, it is stored once
                seen = show(client, str(conversation.id), after=seen)
        print(f"To go on: python examples/talk.py {conversation.id}")


def show(client: Client, conversation_id: str, *, after: int) -> int:
    """Print the messages after a place, oldest first. Returns the place of the last one."""
    new = []
    for message in client.each(messages.listing(conversation_id, order="desc"), page_size=20):
        if message.sequence <= after:
            break
        new.append(message)
    for message in reversed(new):
        print(f"{message.sequence:>4}  {message.role:<9}  {message.content}")
    return new[0].sequence if new else after


if __name__ == "__main__":
    try:
        main()
    except ClientError as error:
        sys.exit(f"{type(error).__name__}: {error}")
