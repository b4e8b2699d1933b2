"""Files of TLS that fail to be read for a moment: they are read again, and what was in force stays so meanwhile."""

from __future__ import annotations

import errno
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from hookgate.receiver.tls import Certificates, InvalidTls
from tests.receiver.test_tls import Place


@pytest.mark.parametrize("step", ["load_cert_chain", "load_verify_locations"])
def test_new_files_that_fail_to_be_read_once_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    place = Place(tmp_path)
    files = replace(place.files, client_ca=place.authority.ca_file)
    certificates = Certificates(files)
    before, loading = certificates.context, getattr(ssl.SSLContext, step)

    def fail(*_: object, **__: object) -> None:
        monkeypatch.setattr(ssl.SSLContext, step, loading)
        raise OSError(errno.EMFILE, "Too many open files")

    place.renew()
    monkeypatch.setattr(ssl.SSLContext, step, fail)
    with pytest.raises(InvalidTls, match="cannot be read"):
        certificates.look()
    assert certificates.context is before
    assert [certificates.look(), certificates.look()] == [True, False]
    assert certificates.context is not before
