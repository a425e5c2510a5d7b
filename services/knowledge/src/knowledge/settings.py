"""The knowledge service's settings."""

from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, FilePath, SecretStr, TypeAdapter, ValidationError, field_validator

from knowledge.readers.limits import ReaderLimits
from knowledge.web.address import canonical_place
from servicekit.settings import ServiceSettings

_CREDENTIALS = TypeAdapter(dict[str, str])


class KnowledgeSettings(ServiceSettings):
    """Read from the environment; ``KNOWLEDGE_<NAME>`` overrides ``<NAME>``."""

    service: ClassVar[str] = "knowledge"

    port: int = Field(3102, ge=0, le=65535, description="HTTP port (KNOWLEDGE_PORT)")

    embeddings_provider: Literal["openai", "local", "hashing"] = Field(
        "openai", description="openai: any API of that form; local: MiniLM on this machine; hashing: no model"
    )
    embeddings_base_url: str = Field("https://openrouter.ai/api/v1", description="OpenAI-compatible API")
    embeddings_api_key: SecretStr | None = Field(None, description="its key")
    embeddings_model: str = Field("qwen/qwen3-embedding-8b", description="its model; 1,536 dimensions")
    embeddings_window: int | None = Field(
        None,
        ge=64,
        le=1_000_000,
        description="tokens that the model reads of one text; else as known, or 512",
    )
    embeddings_tokenizer: FilePath | None = Field(
        None, description="the model's tokenizer.json; without it, a byte counts as a token"
    )
    embeddings_batch_size: int = Field(64, ge=1, le=2048, description="texts in one request")
    embeddings_concurrency: int = Field(
        4, ge=1, le=64, description="requests of syncs in flight at once, in one process"
    )
    embeddings_requests_per_minute: int = Field(0, ge=0, description="maximum in one process; 0: no limit")
    embeddings_tokens_per_minute: int = Field(
        0, ge=0, description="the same in tokens, counted as four characters each; a batch must be smaller"
    )
    embeddings_timeout_seconds: float = Field(60, gt=0, description="longest wait for one answer")
    embeddings_cache_days: float = Field(
        30, gt=0, description="unused embeddings are deleted after this time"
    )

    knowledge_bases_file: Path | None = Field(
        None, description="file with a list of knowledge bases, in YAML or JSON"
    )
    sync_at_start: bool = Field(True, description="whether a base that was never synced is synced at start")
    local_sources_root: str = Field(
        "", description="folders, separated by ':'; a file:// source must be inside one of them"
    )
    github_api_url: str = Field(
        "https://api.github.com", description="REST API of GitHub, or of GitHub Enterprise"
    )
    github_raw_url: str = Field("https://raw.githubusercontent.com", description="GitHub's raw content")
    github_token: SecretStr | None = Field(
        None, description="for private repositories and a higher rate limit"
    )
    github_webhook_secret: SecretStr | None = Field(
        None, description="secret of GitHub's push webhooks; without it they are refused"
    )
    source_allowed_hosts: str = Field(
        "",
        description="private hosts that sources may reach, separated by commas; host or host:port",
    )
    source_credentials: SecretStr | None = Field(
        None,
        description='for Git remotes and websites, as JSON: {"<host>": "<user>:<password>"}; sent to that '
        "host only",
    )
    source_max_file_bytes: int = Field(
        10 * 1024 * 1024, ge=1024, description="larger files are not read; changing this rebuilds each base"
    )
    source_max_bytes: int = Field(
        2 * 1024**3, ge=1024, description="maximum that one sync fetches from a Git remote or a website"
    )
    sitemap_max_pages: int = Field(
        5000, ge=1, description="maximum pages of one website; a website with more is refused"
    )
    http_attempts: int = Field(4, ge=1, le=20, description="attempts at one call to a source or the embedder")
    http_retry_seconds: float = Field(
        0.5, ge=0, description="longest first pause between them; doubles each time"
    )

    reader_processes: int = Field(
        2, ge=1, le=32, description="processes that read files, in each knowledge service"
    )
    reader_cpu_seconds: int = Field(
        30, ge=1, le=3600, description="CPU time for one file; a file that takes more is refused"
    )
    reader_seconds: float = Field(
        120, gt=0, description="time by the clock for one file, on a machine that is busy"
    )
    reader_memory_bytes: int = Field(
        1024**3,
        ge=128 * 1024**2,
        description="memory of a process that reads files; a file that takes more is refused",
    )
    max_text_per_file: int = Field(
        5_000_000, ge=1000, description="characters of text in one file; a file with more is refused"
    )
    max_chunks_per_file: int = Field(
        10_000, ge=1, description="chunks of one file; a file with more is refused"
    )
    max_chunks_per_base: int = Field(
        200_000,
        ge=1,
        description="chunks of one knowledge base; a sync that would make more fails and changes nothing",
    )

    sync_concurrency: int = Field(
        4,
        ge=1,
        le=64,
        description="syncs that work at once; syncs that wait for a silent site don't count",
    )
    sync_lock_seconds: float = Field(
        30, ge=1, description="a job whose worker is silent for this long passes to another worker"
    )
    sync_downloads: int = Field(8, ge=1, le=64, description="files of one sync that are read at once")
    sync_history_days: float = Field(
        90, gt=0, description="older syncs are deleted, except the newest 20 of each base"
    )
    schedules_check_seconds: float = Field(
        30, gt=0, description="how often the schedules in Redis are compared with the registry"
    )
    sync_jitter_seconds: float = Field(
        30,
        ge=0,
        le=55,
        description="scheduled syncs start up to this much after their minute, each base with its own delay",
    )
    search_exact_rows: int = Field(
        8000,
        ge=1,
        description="a base with more chunks gets an index of its own; else searches compare each chunk",
    )
    search_index_memory_bytes: int = Field(
        512 * 1024**2,
        ge=64 * 1024**2,
        description="memory that Postgres takes to build the index of a base; about 4.5 KB a chunk is enough",
    )

    search_questions_bytes: int = Field(
        64 * 1024**2,
        ge=0,
        description="memory for questions' vectors, of about 7 kB each; 0 embeds every question anew",
    )

    search_seconds: float = Field(
        10, gt=0, description="longest time that Postgres may take for one question; then it is a 503"
    )
    rerank_url: str | None = Field(
        None,
        description="whole address of a reranking API of Cohere's form, such as "
        "https://api.cohere.com/v2/rerank; without it nothing is reranked",
    )
    rerank_api_key: SecretStr | None = Field(None, description="its key")
    rerank_model: str = Field("rerank-v3.5", description="its model")
    rerank_candidates: int = Field(
        50, ge=1, le=200, description="hits that are reranked for an answer, if it has fewer"
    )
    rerank_seconds: float = Field(
        2, gt=0, le=60, description="longest wait for it; then the answer is given as it was found"
    )

    def source_credentials_by_host(self) -> dict[str, str]:
        """``user:password`` by host. Raises ``ValueError`` whose message doesn't contain the setting."""
        text = self.source_credentials.get_secret_value() if self.source_credentials else ""
        try:
            pairs = _CREDENTIALS.validate_json(text or "{}")
        except ValidationError:
            raise ValueError(
                'SOURCE_CREDENTIALS isn\'t JSON of the form {"<host>": "<user>:<password>"}'
            ) from None
        try:
            return {canonical_place(host): pair for host, pair in pairs.items()}
        except ValueError:
            raise ValueError("SOURCE_CREDENTIALS: a key isn't a host or host:port") from None

    @field_validator("rerank_url")
    @classmethod
    def _readable_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("RERANK_URL is an address such as https://api.cohere.com/v2/rerank")
        return url

    def source_allowed(self) -> list[str]:
        """``host`` or ``host:port``, canonical. Raises ``ValueError``."""
        hosts = (host.strip() for host in self.source_allowed_hosts.split(","))
        try:
            return [canonical_place(host) for host in hosts if host]
        except ValueError as error:
            raise ValueError(f"SOURCE_ALLOWED_HOSTS: {error}") from error

    def reader_limits(self) -> ReaderLimits:
        """What one file may cost."""
        return ReaderLimits(
            self.reader_processes,
            self.reader_cpu_seconds,
            self.reader_seconds,
            self.reader_memory_bytes,
            self.max_text_per_file,
            self.max_chunks_per_file,
        )

    def local_roots(self) -> list[Path]:
        """The folders of ``LOCAL_SOURCES_ROOT``."""
        return [Path(root) for root in self.local_sources_root.split(":") if root]
