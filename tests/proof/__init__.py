"""The proof: services under load, broken on purpose, and everything counted afterwards. See docs/proof.md."""
