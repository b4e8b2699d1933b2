"""What Prometheus is told: pods that are there, alerts that its own parser takes, on metrics that there are."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from hookgate.control import metrics as of_operator
from hookgate.control.deployment import PRIVATE_PORT
from hookgate.receiver import metrics as of_receiver
from tests.cluster import binaries
from tests.cluster.fixtures import refuse
from tests.manifests.chart import by_key, essence, template
from tests.manifests.render import COMPONENTS, Object, find, of_kind, overlay

SYSTEM = "hookgate-system"
ALL = {"prometheus.servicemonitor.enabled": True, "prometheus.rules.enabled": True}
KINDS = ("Service", "ServiceMonitor", "PrometheusRule")


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """The base with the component."""
    return overlay(tmp_path_factory.mktemp("overlay"), components=[COMPONENTS / "prometheus"])


@pytest.fixture(scope="module")
def checker(pytestconfig: pytest.Config) -> Path:
    """Prometheus's parser of rules, as a program."""
    try:
        return binaries.locate("promrules").path("promrules")
    except binaries.Unavailable as reason:
        refuse(pytestconfig, str(reason))


def checked(checker: Path, groups: Object) -> subprocess.CompletedProcess[str]:
    """What Prometheus's parser says about rules: the metrics in them, or what is wrong."""
    return subprocess.run(
        [checker], input=yaml.safe_dump(groups), capture_output=True, text=True, check=False, timeout=60
    )


def test_every_alert_is_taken_by_prometheus_and_is_about_metrics_that_there_are(
    objects: list[Object], checker: Path
) -> None:
    done = checked(checker, find(objects, "PrometheusRule", "hookgate", SYSTEM)["spec"])
    assert done.stderr == ""
    asked = set(done.stdout.split())
    source = Path(of_operator.__file__).read_text() + Path(of_receiver.__file__).read_text()
    assert len(asked) >= 6
    assert [name for name in asked if f'"{name.removesuffix("_total")}"' not in source] == []


def test_a_wrong_alert_is_noticed(checker: Path) -> None:
    """The check above can fail."""
    rule = {"alert": "Wrong", "expr": "sum by (x (y)"}
    done = checked(checker, {"groups": [{"name": "wrong", "rules": [rule]}]})
    assert done.returncode == 1
    assert "parse error" in done.stderr


def test_every_alert_says_what_it_means_and_how_bad_it_is(objects: list[Object]) -> None:
    (group,) = find(objects, "PrometheusRule", "hookgate", SYSTEM)["spec"]["groups"]
    for rule in group["rules"]:
        assert rule["annotations"].keys() == {"summary", "description"}, rule["alert"]
        assert rule["labels"]["severity"] in ("info", "warning", "critical"), rule["alert"]
        assert rule["for"], rule["alert"]


def test_every_monitor_finds_a_service_whose_pods_have_the_port(objects: list[Object]) -> None:
    (operator,) = find(objects, "Deployment", "hookgate-operator", SYSTEM)["spec"]["template"]["spec"]["containers"]
    for name, port in (("operator", operator["ports"][0]["containerPort"]), ("receiver", PRIVATE_PORT)):
        monitor = find(objects, "ServiceMonitor", f"hookgate-{name}", SYSTEM)["spec"]
        service = find(objects, "Service", f"hookgate-{name}-metrics", SYSTEM)
        assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert [each["port"] for each in monitor["endpoints"]] == [each["name"] for each in service["spec"]["ports"]]
        assert [each["port"] for each in service["spec"]["ports"]] == [port]
        assert service["spec"]["selector"]["app.kubernetes.io/component"] == name


def test_both_ways_of_installing_tell_the_same(objects: list[Object]) -> None:
    expected = {key: essence(each) for key, each in by_key(of_kind(objects, *KINDS)).items()}
    made = template(ALL)
    assert {key: essence(each) for key, each in by_key(of_kind(made, *KINDS)).items()} == expected
    assert list(of_kind(template(), *KINDS)) == []
    assert list(of_kind(template({**ALL, "prometheus.enabled": False}), *KINDS)) == []


def test_the_chart_labels_them_as_a_prometheus_selects() -> None:
    values = {"labels": {"release": "monitoring"}, "enabled": True}
    made = template({"prometheus": {"servicemonitor": {**values, "interval": "5s"}, "rules": values}})
    found = list(of_kind(made, "ServiceMonitor", "PrometheusRule"))
    assert [each["metadata"]["labels"].get("release") for each in found] == ["monitoring"] * 3
    monitors = list(of_kind(made, "ServiceMonitor"))
    assert {end["interval"] for each in monitors for end in each["spec"]["endpoints"]} == {"5s"}
