"""How long conversations are kept after their last activity, if an operator sets it."""
