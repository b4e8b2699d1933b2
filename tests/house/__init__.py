"""The rules of the house, held by reading the code instead of running it."""
