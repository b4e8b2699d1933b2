"""Every object of every kind that the API server can list, by name: what is there, to be held against what was there.

It knows nothing of Hookgate, so nothing of it can be forgotten.
"""

from __future__ import annotations

import json

from tests.cluster.cluster import Cluster

#: What comes and goes by itself.
_PASSING = ("events", "events.events.k8s.io", "componentstatuses", "leases.coordination.k8s.io")


def inventory(cluster: Cluster) -> frozenset[str]:
    """`RESOURCE NAMESPACE/NAME` of each."""
    listed = cluster.kubectl("api-resources", "--verbs=list", "--cached=false", "-o", "name").stdout.split()
    found = set()
    for resource in listed:
        if resource in _PASSING:
            continue
        # A kind may go between the two questions: then there is nothing of it.
        answer = cluster.kubectl("get", resource, "-A", "-o", "json", "--ignore-not-found", check=False).stdout
        for item in json.loads(answer)["items"] if answer.strip() else ():
            metadata = item["metadata"]
            found.add(f"{resource} {metadata.get('namespace', '')}/{metadata['name']}")
    return frozenset(found)
