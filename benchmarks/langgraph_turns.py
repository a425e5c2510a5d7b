"""``python -m benchmarks.langgraph_turns <database>``: turns of a LangGraph graph with its checkpointer.

The graph has the steps of a chat turn: a model that calls a tool, the tool, which changes the state too, and
the model's answer. It reads a command a line: ``fill <kind> <thread> <messages>`` writes a history in one
checkpoint, ``turn <kind> <thread> <messages>`` runs a turn. Each is answered by this process's CPU seconds. A
step of the kind ``synced`` ends once its checkpoint is committed; by default that goes on meanwhile.
"""

import asyncio
import sys
import time
from typing import Annotated, Any
from uuid import uuid4

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph, add_messages
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from typing_extensions import TypedDict

from benchmarks.texts import PATCH, TOOL, text


class Whole(TypedDict):
    """As in LangGraph's own ``MessagesState``."""

    messages: Annotated[list[AnyMessage], add_messages]
    state: dict[str, Any]


def _append(messages: list[AnyMessage], writes: list[list[AnyMessage]]) -> list[AnyMessage]:
    return [*messages, *(message for write in writes for message in write)]


class Deltas(TypedDict):
    """With the beta of a channel that stores what was added."""

    messages: Annotated[list[AnyMessage], DeltaChannel(_append)]
    state: dict[str, Any]


def _model(state: Any) -> dict[str, Any]:
    """Call the tool first, then answer."""
    if isinstance(state["messages"][-1], HumanMessage):
        call = {"name": TOOL, "args": {"query": "x"}, "id": "call"}
        return {"messages": [AIMessage(text(1), tool_calls=[call])]}
    return {"messages": [AIMessage(text(3))]}


def _tool(state: Any) -> dict[str, Any]:
    return {"messages": [ToolMessage(text(2), tool_call_id="call")], "state": PATCH}


def _after_model(state: Any) -> str:
    return "tool" if state["messages"][-1].tool_calls else END


def _graph(schema: type, checkpointer: AsyncPostgresSaver | None) -> Any:
    graph = StateGraph(schema)
    graph.add_node("model", _model)
    graph.add_node("tool", _tool)
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", _after_model, ["tool", END])
    graph.add_edge("tool", "model")
    return graph.compile(checkpointer=checkpointer)


def _history(count: int) -> list[AnyMessage]:
    kinds = (HumanMessage, AIMessage)
    return [kinds[i % 2](text(i), id=str(uuid4())) for i in range(count)]


async def main(database_url: str) -> None:
    """Until standard input ends."""
    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncConnectionPool(database_url, min_size=2, max_size=4, kwargs=options) as pool:
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        graphs = {
            "whole": _graph(Whole, saver),
            "synced": _graph(Whole, saver),
            "deltas": _graph(Deltas, saver),
            "none": _graph(Whole, None),
        }
        while line := await asyncio.to_thread(sys.stdin.readline):
            what, kind, thread, count = line.split()
            graph, config = graphs[kind], {"configurable": {"thread_id": f"{kind} {thread}"}}
            before = _history(int(count)) if kind == "none" else []
            cpu = time.process_time()
            if what == "fill":
                values = {"messages": _history(int(count)), "state": {}}
                await graph.aupdate_state(config, values, as_node="model")
            else:
                durability = {"durability": "sync"} if kind == "synced" else {}
                await graph.ainvoke({"messages": [*before, HumanMessage(text(0))]}, config, **durability)
            print(time.process_time() - cpu, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
