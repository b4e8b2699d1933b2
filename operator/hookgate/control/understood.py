"""PURE: what an endpoint asks for, read by all the rules once and remembered while it asks for the same.

Reading is most of what a decision costs, and one change leads to several decisions in a row. This module may not know
what is decided.
"""

from __future__ import annotations

import marshal

from hookgate.control.objects import meta
from hookgate.control.values import Object
from hookgate.model.endpoint import WebhookEndpoint
from hookgate.model.parse import parse_endpoint
from hookgate.scheme.presets import Presets, Resolved, Unresolvable, resolve

_Understood = tuple[WebhookEndpoint, Resolved | Unresolvable]

#: What of the metadata `parse_endpoint` reads.
_READ = ("name", "namespace", "uid", "generation", "deletionTimestamp", "annotations")
#: As many as can be worked on within a moment; all are forgotten together.
_MOST = 500

_remembered: dict[tuple[bytes, Presets], _Understood] = {}


def understand(manifest: Object, presets: Presets) -> _Understood:
    """Return the endpoint that ``manifest`` declares and the scheme that ``presets`` make of it. Raises `InvalidSpec`.

    A function of its arguments: what is remembered is found by everything that was read, type by type.
    """
    metadata = meta(manifest)
    try:
        read = marshal.dumps([[metadata.get(name) for name in _READ], manifest.get("spec")], 2)
    except ValueError:  # it holds what no JSON can, and will not be valid for long
        return _understand(manifest, presets)
    known = _remembered.get((read, presets))
    if known is None:
        known = _understand(manifest, presets)
        if len(_remembered) >= _MOST:
            _remembered.clear()
        _remembered[read, presets] = known
    return known


def _understand(manifest: Object, presets: Presets) -> _Understood:
    endpoint = parse_endpoint(manifest)
    return endpoint, resolve(endpoint.spec.auth, presets)
