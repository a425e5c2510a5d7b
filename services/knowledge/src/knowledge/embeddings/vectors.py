"""Rules that every provider's answer must satisfy."""

import numpy as np
from numpy.typing import NDArray

from common.errors import TransientError
from knowledge.embeddings import DIMENSIONS, Vectors


class BadEmbeddings(TransientError):
    """The provider's answer can't be used: wrong count, wrong dimensions, NaN, or a vector of length zero.

    Transient, because such answers usually come from an overloaded or half-deployed provider. The job limits
    the number of attempts.
    """


def check_vectors(vectors: NDArray[np.float32], *, expected: int) -> Vectors:
    """``vectors`` scaled to length 1, after checking that it has ``expected`` rows of 1,536 finite numbers.

    Raises :class:`BadEmbeddings`.
    """
    if vectors.ndim != 2 or vectors.shape[0] != expected:
        raise BadEmbeddings(f"the embeddings API answered {vectors.shape[0]} vectors for {expected} texts")
    if vectors.shape[1] != DIMENSIONS:
        raise BadEmbeddings(f"the embeddings have {vectors.shape[1]} dimensions, not {DIMENSIONS}")
    if not np.isfinite(vectors).all():
        raise BadEmbeddings("the embeddings contain NaN or infinity")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    if (lengths < 1e-12).any():
        raise BadEmbeddings("an embedding has length zero")
    unit: Vectors = (vectors / lengths).astype(np.float32)
    return unit


def zero_pad(vectors: NDArray[np.float32]) -> Vectors:
    """``vectors`` padded with zeros to 1,536 dimensions, which changes no cosine."""
    padded = np.zeros((vectors.shape[0], DIMENSIONS), dtype=np.float32)
    padded[:, : vectors.shape[1]] = vectors
    return padded
