"""The grid: rows of any number drawn line by line, and what it wants of a model."""
