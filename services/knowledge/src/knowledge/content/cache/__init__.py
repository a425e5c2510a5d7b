"""Embeddings that were paid for, by model and content."""
