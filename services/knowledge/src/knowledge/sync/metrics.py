"""Prometheus metrics of syncs."""

from prometheus_client import Counter, Histogram

SYNCS = Counter("takaro_knowledge_syncs_total", "Syncs by outcome", ["outcome"])
SYNC_SECONDS = Histogram(
    "takaro_knowledge_sync_seconds",
    "Duration of a sync, without its time in the queue",
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200),
)
CHUNKS_WRITTEN = Counter("takaro_knowledge_chunks_written_total", "Chunks inserted by syncs")
FILES_FAILED = Counter("takaro_knowledge_files_failed_total", "Files that a sync could not read")
