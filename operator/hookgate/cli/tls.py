"""The options for TLS at the public listener, which `hookgate receiver` and `hookgate serve` share."""

from __future__ import annotations

import argparse
from pathlib import Path

from hookgate.cli.exits import Exit, Stop
from hookgate.receiver.tls import Certificates, InvalidTls, TlsFiles


def tls_files(options: argparse.Namespace) -> TlsFiles | None:
    """Return the files that the options name, read once to see that they fit. Raises `Stop`."""
    certificate, key, client_ca = options.tls_cert, options.tls_key, options.tls_client_ca
    if certificate is None and key is None:
        if client_ca is not None:
            raise Stop(Exit.USAGE, "--tls-client-ca: needs --tls-cert and --tls-key")
        return None
    if certificate is None or key is None:
        raise Stop(Exit.USAGE, "--tls-cert, --tls-key: give both, or neither")
    files = TlsFiles(
        certificate=Path(certificate), key=Path(key), client_ca=None if client_ca is None else Path(client_ca)
    )
    try:
        Certificates(files)
    except InvalidTls as error:
        raise Stop(Exit.USAGE, str(error)) from None
    return files
