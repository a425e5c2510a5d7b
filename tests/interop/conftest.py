"""Node.js beside our services: npm packages from the lock file in this folder."""

import pytest

from tests.support.node import Node


@pytest.fixture(scope="session")
def node() -> Node:
    """Runs Node scripts; installs their packages first."""
    return Node()
