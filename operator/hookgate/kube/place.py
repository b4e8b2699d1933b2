"""Where the cluster is: a kubeconfig, or the service account of the pod that this process runs in.

The order is kubectl's, except that a pod's service account comes before ~/.kube/config. No file is read here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from hookgate.kube.errors import ClusterConfigError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts ``token`` and ``ca.crt``."""


def find(kubeconfig: str | None, context: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the path of the kubeconfig (several, joined as in $KUBECONFIG), or None for the service account.

    Raises ClusterConfigError where neither exists.
    """
    chosen = kubeconfig or environ.get("KUBECONFIG")
    if chosen:
        if not any(Path(path).expanduser().is_file() for path in chosen.split(os.pathsep) if path):
            raise ClusterConfigError(f"kubeconfig {chosen}: no such file")
        return chosen
    if context is None and environ.get("KUBERNETES_SERVICE_HOST"):
        return None
    default = Path(environ.get("HOME", "~"), ".kube", "config").expanduser()
    if not default.is_file():
        raise ClusterConfigError(
            f"no cluster to talk to: this is not a pod with a service account, KUBECONFIG is not set and "
            f"{default} does not exist; name a kubeconfig"
        )
    return str(default)
