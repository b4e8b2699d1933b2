"""hookgate.yaml on receivers and routes: their number, what each may use, and whether routes are shared."""

from __future__ import annotations

from typing import Any

import pytest

from hookgate.config.platform import Autoscaling, ManagedReceivers, ReceiverTls
from tests.config.test_load import parsed


def test_the_number_of_receivers_can_be_left_to_an_autoscaler() -> None:
    """What is not said is usual."""
    found = parsed(receiver={"managed": {"autoscaling": {"maxReplicas": 9}}}).receivers
    assert found == ManagedReceivers(autoscaling=Autoscaling(least=2, most=9, target=80))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("250m", "250m"),
        ("1500m", "1500m"),
        ("2000m", "2"),
        (1, "1"),
        (0.5, "500m"),
        ("0.25", "250m"),
    ],
)
def test_amounts_of_cpu_are_spelled_as_the_api_server_spells_them(written: Any, read: str) -> None:
    """Else every look would find a difference."""
    found = parsed(receiver={"managed": {"resources": {"requests": {"cpu": written}}}}).receivers
    assert isinstance(found, ManagedReceivers)
    assert found.requests == {"cpu": read, "memory": "128Mi"}


@pytest.mark.parametrize(("written", "read"), [("1024Mi", "1Gi"), ("1536Mi", "1536Mi"), ("1048576Ki", "1Gi")])
def test_amounts_of_memory_are_spelled_as_the_api_server_spells_them(written: str, read: str) -> None:
    """What is not named stays usual."""
    found = parsed(receiver={"managed": {"resources": {"limits": {"memory": written}}}}).receivers
    assert isinstance(found, ManagedReceivers)
    assert found.limits == {"memory": read}


def test_routes_are_shared_where_the_platform_says_so() -> None:
    """Each endpoint has one of its own otherwise."""
    assert parsed(exposure={"granularity": "shared"}).shared_routes
    assert not parsed(exposure={"granularity": "endpoint"}).shared_routes
    assert not parsed().shared_routes


def test_receivers_speak_tls_where_the_platform_names_a_certificate() -> None:
    found = parsed(receiver={"managed": {"tls": {"secretName": "hooks", "clientCASecretName": "senders"}}}).receivers
    assert found == ManagedReceivers(tls=ReceiverTls(secret="hooks", client_ca="senders"))
    assert parsed(receiver={"managed": {"tls": {"secretName": "hooks"}}}).receivers == ManagedReceivers(
        tls=ReceiverTls(secret="hooks")
    )
    assert parsed().receivers == ManagedReceivers()
