"""The public edge without an ASGI server between parser and calls: one protocol on httptools, and its listener."""
