"""Answer questions about a knowledge base with LangChain: its chat history is a conversation, and its
retriever the base's search.

    python examples/langchain_chat.py project-docs "How do I roll a migration back?"

A scripted model stands in for yours, so that this runs without a key.
"""

import sys
import warnings

from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage, SystemMessage

from connection import settings
from takaro_agent_client import Client
from takaro_agent_client.adapters.langchain_history import TakaroChatMessageHistory
from takaro_agent_client.adapters.langchain_retriever import TakaroRetriever
from takaro_agent_client.operations import conversations

warnings.filterwarnings("ignore", message=".*BaseChatMessageHistory")  # deprecated for LangChain 2.0


def main(base: str, question: str) -> None:
    model = FakeListChatModel(responses=["I found this for you."])  # yours: init_chat_model("gpt-5")
    with Client(**settings()) as client:
        conversation = client.send(conversations.create("module-writer"))
        history = TakaroChatMessageHistory(client, conversation.id)
        history.add_user_message(question)
        documents = TakaroRetriever(client=client, knowledge_base=base, k=2).invoke(question)
        context = "\n\n".join(document.page_content for document in documents)
        asked = [SystemMessage(f"Answer from this:\n{context}"), *history.messages, HumanMessage(question)]
        history.add_message(model.invoke(asked))
        for message in history.messages:
            print(f"{message.type}: {message.text}")
        for document in documents:
            print(f"{document.metadata['score']:.3f}  {document.metadata['sourceFile']}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
