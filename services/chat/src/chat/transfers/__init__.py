"""Many messages at once: appended together, and whole conversations exported and imported."""
