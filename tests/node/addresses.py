"""Where everything is inside the node's own network namespace: nothing of it can be reached from outside.

Constants alone, so that whoever starts a part and whoever calls it agree.
"""

from __future__ import annotations

NODE = "10.99.0.1"
"""The node: the API server, DNS and Envoy listen here."""
NODE_NETWORK = "10.99.0.0/24"
PODS = "10.244.0.0/24"
SERVICES = "10.96.0.0/16"
DOMAIN = "cluster.local"
NODE_NAME = "node"
