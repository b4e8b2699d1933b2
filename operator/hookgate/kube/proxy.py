"""A question to a port of a pod, carried by the API server: for who may use ``pods/proxy`` and reaches no pod directly.

It may not know what is asked. Nothing is changed by it, whatever the HTTP method says.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from hookgate.kube.api import Api, Object
from hookgate.kube.resources import PODS
from hookgate.kube.transport import Call

_SECONDS = 10.0


async def ask_pod(api: Api, pod: tuple[str, str], port: int, *, path: str, question: Any) -> Object:
    """POST ``question`` as JSON to ``http://POD:port/path`` and return the JSON object that comes back.

    ``pod`` is (namespace, name). Raises `ApiError`, also for what the pod itself refuses.
    """
    namespace, name = pod
    target = f"{PODS.path(namespace)}/{quote(f'http:{name}:{port}', safe=':')}/proxy{path}"
    call = Call(method="POST", path=target, body=json.dumps(question).encode(), timeout_s=_SECONDS)
    return await api._object(f"ask Pod {namespace}/{name}", call)
