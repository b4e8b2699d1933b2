"""Certificates that a target is verified by: what can be used as such. No I/O; it may not know where they are kept."""

from __future__ import annotations

from typing import Final

#: A bundle of a public authority's roots has about 200 kB; more than this is no choice of whom to trust.
LARGEST: Final = 262_144


def authority_problem(pem: bytes) -> str | None:
    """Return None for certificates in PEM that targets can be verified by, else what is wrong, in a few words."""
    if len(pem) > LARGEST:
        return f"has more than {LARGEST} bytes; keep the certificates that your targets need"
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415 -- many MiB that few targets need

    try:
        pem.decode("ascii")
        load_pem_x509_certificates(pem)
    except ValueError:
        return "holds no certificates in PEM (-----BEGIN CERTIFICATE-----) that can be read"
    return None
