"""PURE: the keys that an endpoint's forwarded calls are signed with: made once, kept, rotated, recovered.

They are no sender's secret: the target verifies with them that a call came through here, and was authentic. They stand
in the binding, the authority, and in the connection Secret as Standard Webhooks writes them. A target may have any of
those that have not ended, for a call is signed with all of them.
"""

from __future__ import annotations

import re
from dataclasses import replace

from hookgate.control import keys as keyring
from hookgate.control.checks import Case, recoverable
from hookgate.control.objects import owned_by, secret_data
from hookgate.model.binding import Binding, Key
from hookgate.model.sensitive import Sensitive
from hookgate.scheme.generate import generate

#: Under which name a binding remembers the last request for a new key.
REQUEST = "signing"
#: Where the connection Secret tells the current key, and older ones that still sign, one a line.
CURRENT, PREVIOUS = "forward-secret", "previous-forward-secrets"
_FORM = "whsec-32"
_WRITTEN = re.compile(rb"whsec_[A-Za-z0-9+/]{43}=")


def next_keys(case: Case) -> tuple[Key, ...]:
    """Return the keys to sign with next, the current one first."""
    before, now = case.binding, case.observed.now
    fresh = case.observed.fresh
    new = Key(id=fresh.signing_id, value=Sensitive(generate(_FORM, fresh.signing)), created=int(now))
    if before is None:
        return _recovered(case, new) if recoverable(case) else (new,)
    if not before.forward_keys:
        return (new,)  # it is from before there were any
    wanted = case.endpoint.spec.target.rotate_signing
    if wanted is None or before.rotated.get(REQUEST) == wanted:
        return keyring.current(before.forward_keys, now)
    return keyring.rotated(before.forward_keys, new, case.endpoint.spec.target.signing_overlap, now)


def requested(case: Case) -> dict[str, str]:
    """Return what asks for a new key now. A request that comes with the first key is met by making it."""
    wanted = case.endpoint.spec.target.rotate_signing
    return {REQUEST: wanted} if wanted else {}


def told(binding: Binding, now: float) -> dict[str, bytes]:
    """Return how the connection Secret tells the keys."""
    values = [key.value.reveal() for key in keyring.current(binding.forward_keys, now)]
    if not values:
        return {}
    older = {PREVIOUS: keyring.PREVIOUS_SEPARATOR.join(values[1:])} if values[1:] else {}
    return {CURRENT: values[0], **older}


def _recovered(case: Case, new: Key) -> tuple[Key, ...]:
    """Return the current key of a lost binding from the connection Secret, else a new one. Older ones are given up."""
    found = case.connection
    value = secret_data(found).get(CURRENT, b"") if found and owned_by(found, case.endpoint.uid) else b""
    return (replace(new, value=Sensitive(value)),) if _WRITTEN.fullmatch(value) else (new,)
