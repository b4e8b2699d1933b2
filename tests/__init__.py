"""Hookgate's tests."""
