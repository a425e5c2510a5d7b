"""Redis clients for BullMQ."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff


def worker_client(url: str) -> "Redis":
    """For a worker, which blocks for longer than redis-py's default ``socket_timeout`` of 5 s.

    With that default an idle worker would pick up its next job up to 5 s late. Without decoded responses it
    would run a job and then fail to complete it. A job may hold bytes that aren't UTF-8: an error in decoding
    it would lose the answer that hands it out. Keep-alive detects a dead peer instead.
    """
    return Redis.from_url(
        url,
        decode_responses=True,
        encoding_errors="surrogateescape",
        socket_timeout=None,
        socket_connect_timeout=5,
        socket_keepalive=True,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=1, base=0.1), 2),
    )


def producer_client(url: str) -> "Redis":
    """For adding jobs. No call blocks, so none may hang either."""
    return Redis.from_url(url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5)
