"""Hookgate installed for real: pods on a node of this machine, calls through a real ingress; `python -m tests.node`."""
