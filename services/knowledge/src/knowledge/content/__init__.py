"""What is stored of a base: chunks, files, indexes, versions, and the cache of embeddings."""
