"""A question that is a vector: its length says nothing, its direction everything."""

import numpy as np
import pytest
from pydantic import ValidationError

from knowledge.embeddings import DIMENSIONS
from knowledge.search.wire import Search


def asked(vector: list[float]) -> np.ndarray:
    [question] = Search.model_validate({"knowledgeBaseIds": ["guide"], "vector": vector}).questions()
    assert question.vector is not None
    return question.vector


@pytest.mark.parametrize("scale", [1, 1e20, 2e37, 1e-30, 1e-300, 1e-320])
def test_a_vector_of_any_length_is_one_of_length_1(scale: float) -> None:
    direction = [float(number % 8) for number in range(DIMENSIONS)]
    expected = np.asarray(direction) / np.linalg.norm(direction)
    unit = asked([number * scale for number in direction])
    assert unit.dtype == np.float32
    assert np.allclose(unit, expected, atol=1e-4 if scale == 1e-320 else 1e-8)
    assert abs(np.linalg.norm(unit.astype(np.float64)) - 1) < 1e-6


def test_a_vector_without_direction_is_refused() -> None:
    with pytest.raises(ValidationError, match="has no direction"):
        asked([0.0] * DIMENSIONS)
