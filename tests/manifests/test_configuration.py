"""The hookgate.yaml that is shipped: valid, closed until somebody opens it, and its examples are no traps."""

from __future__ import annotations

import re

import pytest

from hookgate.config.load import default_config, parse_config
from hookgate.config.platform import PlatformConfig
from tests.manifests.render import BASE, find, render

TEXT = (BASE / "hookgate.yaml").read_text(encoding="utf-8")


def examples() -> PlatformConfig:
    """The file with every example in force: their lines have no single space after the "#", as sentences have."""
    return parse_config(re.sub(r"(?m)^#(?! \S)", "", TEXT), source="hookgate.yaml")


def test_what_is_mounted_is_that_file() -> None:
    """The ConfigMap carries it unchanged, comments included."""
    assert find(render(BASE), "ConfigMap", "hookgate-config", "hookgate-system")["data"] == {"hookgate.yaml": TEXT}


def test_as_shipped_it_opens_nothing() -> None:
    """It decides nothing that would not hold without it: no host, no URL target."""
    assert parse_config(TEXT, source="hookgate.yaml") == default_config()
    assert default_config().hosts == ()


def test_its_examples_are_valid_and_cover_both_ways_in() -> None:
    """Removing the "#" is all that is needed."""
    assert [host.exposure.value for host in examples().hosts] == ["ingress", "gateway"]


@pytest.mark.parametrize("namespace", ["default", "kube-system", "team-d"])
def test_its_examples_open_nothing_to_namespaces_that_they_do_not_name(namespace: str) -> None:
    """Somebody who only changes the host name has not opened the cluster."""
    assert examples().host_for(namespace, None) is None
    assert [target for target in examples().url_targets if "*" in target.namespaces] == []
