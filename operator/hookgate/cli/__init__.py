"""The command line: the only layer that may know all others."""
