"""Embeddings that are paid for, by model and content."""
