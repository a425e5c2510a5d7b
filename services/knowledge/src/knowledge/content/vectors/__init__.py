"""The second copy of the chunks' vectors, by space, and the indexes of its large spaces."""
