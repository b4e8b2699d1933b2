"""PURE: the certificates that an https target is verified by, out of the Secret that the endpoint names."""

from __future__ import annotations

from hookgate.control.checks import Case
from hookgate.control.objects import secret_data
from hookgate.control.values import Finding, Serve
from hookgate.model.conditions import ConditionType
from hookgate.scheme.certificates import authority_problem

#: Certificates by which no target is verified.
NOBODY = "none"


def certificates(case: Case) -> str | None:
    """Return what to verify the target by, None for what the receivers' system has.

    Where what is named cannot be used it is `NOBODY`, whatever else is wrong with the endpoint at the same time.
    """
    if case.endpoint.spec.target.ca is None:
        return None
    value, problem = _read(case)
    return NOBODY if value is None or problem is not None else value.decode("ascii")


def target_authority_is_usable(case: Case) -> Finding | None:
    """The Secret with the target's CA exists, is labelled for us, and holds certificates.

    Nothing is delivered meanwhile: to verify by other certificates is not what was asked for.
    """
    ref = case.endpoint.spec.target.ca
    _, problem = _read(case)
    if ref is None or problem is None:
        return None
    return Finding(
        condition=ConditionType.RESOLVED_REFS,
        reason="SecretNotUsable",
        message=f"spec.target.ca: Secret {ref.name}, key {ref.key}: {problem}",
        terminal=False,
        serve=Serve.UNAVAILABLE,
    )


def _read(case: Case) -> tuple[bytes | None, str | None]:
    ref = case.endpoint.spec.target.ca
    if ref is None:
        return None, None
    secret = case.observed.references.get(ref.name)
    if secret is None:
        return None, 'is missing in this namespace or lacks the label hookgate.dev/webhook: "true"'
    value = secret_data(secret).get(ref.key)
    if value is None:
        return None, "has no such key"
    return value, authority_problem(value)
