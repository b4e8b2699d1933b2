"""Tests against a real Kubernetes API server, and the harness that starts one."""
