"""Tests of the Kubernetes client: against a faulty server of our own here, against a real one in tests/cluster."""
