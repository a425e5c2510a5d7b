"""The floor of chat's HTTP on this stack: bare Starlette and asyncpg, one statement a request, a token
remembered.

It writes conversation, message, order and outbox row as chat does, and leaves out validation, errors, metrics
and spans. Run it on a migrated database: PG=postgresql://… uvicorn benchmarks.http_floor:app --no-access-log
"""

import asyncio
import os
import time
import uuid
from contextlib import asynccontextmanager

import asyncpg
import jwt
import orjson
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

SECRET = os.environ.get("JWT_SECRET", "x" * 64)
JSON = {"content-type": "application/json"}
FORBIDDEN = b'{"error":"Forbidden"}'
tokens = {}


def caller(request):
    """The token's subject; a token that was verified once is believed until it expires."""
    token = request.headers.get("authorization", "")[7:]
    known = tokens.get(token)
    if known is None or known[1] <= time.time():
        claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"require": ["sub", "exp"]})
        known = tokens[token] = (claims["sub"], claims["exp"])
    return known[0]


# Ownership and rows in one round trip; times are made by Postgres.
LIST = """
SELECT m.id, m.role, m.content, m.token_count, m.latency_ms,
       to_char(m.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
FROM conversations c LEFT JOIN messages m ON m.conversation_id = c.id
WHERE c.id = $1 AND c.user_id = $2 ORDER BY m.created_at, m.id
"""

# Any number of callers' messages in one statement: lock, clock, insert, sequence, outbox.
APPEND = """
WITH a AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[])
    WITH ORDINALITY AS t(cid, uid, mid, content, fact, n)
), l AS MATERIALIZED (
    SELECT c.id, c.user_id, greatest(clock_timestamp(), coalesce(c.last_message_at, '-infinity')) AS at,
           c.message_sequence AS sequence,
           (SELECT set_config('takaro.message_order', 'numbered', true)) AS told
    FROM conversations c WHERE c.id = ANY($1::uuid[]) ORDER BY c.id FOR NO KEY UPDATE
), m AS (
    INSERT INTO messages (id, conversation_id, role, content, created_at, sequence)
    SELECT a.mid, a.cid, 'user', a.content, l.at + a.n * interval '1 microsecond',
           l.sequence + row_number() OVER (PARTITION BY l.id ORDER BY a.n)
    FROM a JOIN l ON l.id = a.cid AND l.user_id = a.uid WHERE l.told = 'numbered' ORDER BY a.n
    RETURNING id, conversation_id, created_at
), counted AS (
    UPDATE conversations c SET event_sequence = c.event_sequence + i.k,
        message_sequence = c.message_sequence + i.k, last_message_at = i.last,
        updated_at = i.last
    FROM (SELECT conversation_id, count(*) AS k, max(created_at) AS last FROM m GROUP BY 1) i
    WHERE c.id = i.conversation_id RETURNING c.id, c.event_sequence - i.k AS base
), f AS (
    SELECT m.id, m.conversation_id,
           counted.base + row_number() OVER (PARTITION BY counted.id ORDER BY m.created_at) AS sequence
    FROM m JOIN counted ON counted.id = m.conversation_id
), o AS (
    INSERT INTO outbox (stream, subject, sequence, type, data, event_id, source, time)
    SELECT 'chat.events', f.conversation_id::text, f.sequence, 'chat.message.appended.v1', a.fact,
           gen_random_uuid(), '/takaro/chat', now()
    FROM f JOIN a ON a.mid = f.id
)
SELECT id, created_at FROM m
"""

CREATE = """
WITH c AS (
    INSERT INTO conversations (id, agent_id, agent_version, user_id, event_sequence)
    VALUES ($1, $2, 'grok-fast', $3, 1) RETURNING created_at
), o AS (
    INSERT INTO outbox (stream, subject, sequence, type, data, event_id, source, time)
    VALUES ('chat.events', $1::uuid::text, 1, 'chat.conversation.created.v1', $4, gen_random_uuid(),
            '/takaro/chat', now())
)
SELECT created_at FROM c
"""

waiting = []
tasks = set()
writers = 0
WRITERS = 2


async def write():
    """Commit together what has gathered while the last commit was under way."""
    global writers
    try:
        while waiting:
            batch = waiting[:200]
            del waiting[:200]
            try:
                rows = await pool.fetch(APPEND, *([entry[k] for entry in batch] for k in range(5)))
                stored = {row[0]: row[1] for row in rows}
                for entry in batch:
                    entry[5].set_result(stored.get(entry[2]))
            except Exception as error:  # noqa: BLE001 - each caller gets it
                for entry in batch:
                    if not entry[5].done():
                        entry[5].set_exception(error)
    finally:
        writers -= 1


async def post(request):
    global writers
    user, body, message = caller(request), orjson.loads(await request.body()), uuid.uuid4()
    conversation = uuid.UUID(request.path_params["id"])
    told = {"messageId": message, "conversationId": conversation, "role": "user", "content": body["content"]}
    done = asyncio.get_running_loop().create_future()
    waiting.append((conversation, user, message, body["content"], orjson.dumps(told).decode(), done))
    if writers < WRITERS:
        writers += 1
        tasks.add(asyncio.ensure_future(write()))
    created_at = await done
    if created_at is None:
        return Response(FORBIDDEN, 403, headers=JSON)
    return Response(orjson.dumps({"data": {**told, "id": message, "createdAt": created_at}}), headers=JSON)


async def create(request):
    user, body, conversation = caller(request), orjson.loads(await request.body()), uuid.uuid4()
    told = {"id": conversation, "agentId": body["agentId"], "agentVersion": "grok-fast", "userId": user}
    created_at = await pool.fetchval(CREATE, conversation, body["agentId"], user, orjson.dumps(told).decode())
    return Response(orjson.dumps({"data": {**told, "state": {}, "createdAt": created_at}}), headers=JSON)


async def get(request):
    user, conversation = caller(request), request.path_params["id"]
    rows = await pool.fetch(LIST, uuid.UUID(conversation), user)
    if not rows:
        return Response(FORBIDDEN, 403, headers=JSON)
    names = ("role", "content", "tokenCount", "latencyMs", "createdAt")
    data = [
        {"id": str(r[0]), "conversationId": conversation, **dict(zip(names, r[1:], strict=True))}
        for r in rows
        if r[0]
    ]
    return Response(orjson.dumps({"data": data}), headers=JSON)


async def health(_):
    return Response(b'{"status":"ok"}', headers=JSON)


@asynccontextmanager
async def lifespan(_):
    global pool
    pool = await asyncpg.create_pool(os.environ["PG"], min_size=10, max_size=10)
    yield


path = "/api/conversations/{id}/messages"
app = Starlette(
    routes=[
        Route("/health", health),
        Route("/api/conversations", create, methods=["POST"]),
        Route(path, get),
        Route(path, post, methods=["POST"]),
    ],
    lifespan=lifespan,
)
