"""The knowledge bases that custom agents may name, as ``knowledge.events`` tells of them."""
