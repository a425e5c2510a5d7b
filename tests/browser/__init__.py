"""A real Chromium for tests marked ``browser``, as npm ships it."""
