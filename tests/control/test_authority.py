"""The CA of an https target: read from the tenant's own Secret, followed, and never replaced by another."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.control.stage import Stage
from tests.kube.pki import Authority

HTTPS = {"service": {"name": "app", "port": 8080, "scheme": "https"}, "ca": {"name": "app-ca"}}


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A CA's certificate."""
    return Authority(tmp_path_factory.mktemp("ca")).ca_file.read_bytes()


def bring(stage: Stage, data: dict[str, bytes], *, labelled: bool = True) -> None:
    """Have the tenant's Secret with these keys."""
    stage.bring("app-ca", labelled=labelled, **cast("Any", data))


def test_an_https_service_is_called_by_its_own_name_and_verified_by_the_ca_that_is_named(
    stage: Stage, pem: bytes
) -> None:
    bring(stage, {"ca.crt": pem})
    stage.declare(target=HTTPS)
    stage.settle()
    assert stage.ready() == "True Active"
    assert stage.binding().target == "https://app.team-a.svc:8080/"
    assert stage.binding().ca == pem.decode()


def test_without_a_ca_that_of_the_system_holds(stage: Stage) -> None:
    stage.declare(target={"service": HTTPS["service"]})
    stage.settle()
    assert (stage.binding().target, stage.binding().ca) == ("https://app.team-a.svc:8080/", None)


@pytest.mark.parametrize(
    ("data", "labelled", "why"),
    [
        (None, True, "is missing"),
        ({"ca.crt": b"PEM"}, False, "lacks the label"),
        ({"tls.crt": b"PEM"}, True, "has no such key"),
        ({"ca.crt": b""}, True, "holds no certificates"),
        ({"ca.crt": b"nonsense"}, True, "holds no certificates"),
        ({"ca.crt": b"\xff" * 10}, True, "holds no certificates"),
        ({"ca.crt": b"x" * 300_000}, True, "has more than"),
    ],
)
def test_a_ca_that_cannot_be_used_keeps_calls_from_the_target(
    stage: Stage, data: dict[str, bytes] | None, labelled: bool, why: str
) -> None:
    if data is not None:
        bring(stage, data, labelled=labelled)
    stage.declare(target=HTTPS)
    stage.settle()
    assert (stage.ready(), stage.answer()) == ("False SecretNotUsable", 503)
    assert "spec.target.ca: Secret app-ca, key ca.crt: " in stage.message()
    assert why in stage.message()


def test_a_ca_that_is_mended_or_changed_is_taken(stage: Stage, pem: bytes) -> None:
    stage.declare(target=HTTPS)
    stage.settle()
    bring(stage, {"ca.crt": pem})
    stage.settle()
    assert stage.ready() == "True Active"
    bring(stage, {"ca.crt": pem + pem})
    stage.settle()
    assert stage.binding().ca == (pem + pem).decode()


def test_whatever_else_is_told_first_no_other_ca_is_believed_instead(stage: Stage) -> None:
    """A missing key of the sender's is told, and would alone not keep the endpoint from being served."""
    github = {"type": "hmac", "provider": "github", "secret": {"ref": {"name": "gone"}}}
    stage.declare(target=HTTPS, auth=github)
    stage.settle()
    assert "spec.auth.secret: Secret gone" in stage.message()
    assert stage.binding().ca == "none"
