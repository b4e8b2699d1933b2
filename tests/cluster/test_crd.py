"""The CRD on a real API server: it judges the corpus as marked, says what Hookgate says, and prints its columns."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings

from hookgate.config.manifest import crd, load_endpoint
from hookgate.config.schema import plain_faults
from hookgate.model.endpoint import InvalidSpec
from hookgate.model.parse import parse_endpoint
from hookgate.scheme.presets import Presets
from tests.cluster.cluster import Cluster
from tests.cluster.controlplane import ControlPlane
from tests.config.test_corpus import CASES, cel_messages, read
from tests.config.test_manifest import loaded_or_none, nearly_endpoints
from tests.corpus.corpus import Case
from tests.model.test_parse_auth import spelled_out

CRD_FILE = Path(__file__).parents[2] / "crds" / "webhookendpoints.hookgate.dev.yaml"
PATH = "/apis/hookgate.dev/v1alpha1/namespaces/default/webhookendpoints?dryRun=All&fieldValidation="


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said about a manifest."""

    status: int
    document: dict[str, Any]

    @property
    def causes(self) -> list[tuple[str, str]]:
        """The fields at fault and what is wrong with each."""
        causes = (self.document.get("details") or {}).get("causes") or ()
        return [(cause.get("field", ""), cause["message"]) for cause in causes]


class Server:
    """Dry runs, and what kubectl may not know yet, over one connection."""

    def __init__(self, control_plane: Cluster) -> None:
        if not isinstance(control_plane, ControlPlane):
            pytest.skip("posts to the API server by itself and has no credentials for the cluster of KUBECONFIG")
        context = ssl.create_default_context(cafile=str(control_plane.ca_file))
        self.connection = http.client.HTTPSConnection(urlsplit(control_plane.url).netloc, timeout=30, context=context)
        self.token = control_plane.admin_token

    def create(self, text: str, kind: str, validation: str = "Strict") -> Answer:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": f"application/{kind}"}
        self.connection.request("POST", f"{PATH}{validation}", text.encode(), {**headers, "Accept": "application/json"})
        response = self.connection.getresponse()
        return Answer(response.status, json.loads(response.read()))

    def apply_status(self, document: dict[str, Any], namespace: str, manager: str) -> Answer:
        """Server-side apply on the subresource: kubectl knows it since 1.32 only."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/apply-patch+yaml"}
        place = f"/apis/hookgate.dev/v1alpha1/namespaces/{namespace}/webhookendpoints/{document['metadata']['name']}"
        path = f"{place}/status?fieldManager={manager}"
        self.connection.request("PATCH", path, json.dumps(document), {**headers, "Accept": "application/json"})
        response = self.connection.getresponse()
        return Answer(response.status, json.loads(response.read()))


@pytest.fixture(scope="module")
def installed(control_plane: Cluster) -> Cluster:
    """The control plane with the CRD."""
    control_plane.install_crds(CRD_FILE)
    return control_plane


@pytest.fixture(scope="module")
def server(installed: Cluster) -> Iterator[Server]:
    """The API server, ready for dry runs."""
    server = Server(installed)
    yield server
    server.connection.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_judges(server: Server, case: Case) -> None:
    """The API server takes what the corpus calls valid, and refuses the rest at the field that is wrong."""
    answer = server.create(case.text, "yaml" if case.is_yaml else "json")
    if case.valid:
        assert answer.status == 201, answer.document
        # What the server fills in is what Hookgate fills in for a folder.
        assert answer.document["spec"] == load_endpoint(read(case))["spec"]
    elif answer.causes:
        assert answer.status == 422
        assert [field for field, _ in answer.causes if field.startswith(case.field)] != [], answer.causes
    else:
        # Decoding fails before fields have names: unknown fields are named by the text, other errors by none.
        assert answer.status == 400, answer.document
        message = answer.document["message"]
        assert "unknown field" not in message or f'unknown field "{case.field}' in message


@pytest.mark.parametrize("case", [case for case in CASES if not case.valid and not case.is_yaml], ids=lambda c: c.name)
def test_says_the_same(server: Server, case: Case) -> None:
    """Where a CEL rule is broken, API server and Hookgate use the same words about the same field."""
    try:
        parse_endpoint(load_endpoint(read(case)))
    except InvalidSpec as error:
        ours = {(each.field, each.message) for each in error.errors}
    rules = cel_messages(crd())
    theirs = {
        (field, message)
        for field, text in server.create(case.text, "json").causes
        for message in rules
        if text.endswith(f": {message}")
    }
    assert {pair for pair in ours if pair[1] in rules} == theirs


@pytest.mark.parametrize("name", Presets.builtin().names)
def test_takes_every_preset_spelled_out(server: Server, name: str) -> None:
    """Whatever a preset says, a user can say in a manifest of their own."""
    preset = Presets.builtin().get(name)
    assert preset is not None
    auth: dict[str, Any] = {"type": preset.type, preset.type: spelled_out(dict(preset.scheme))}
    auth |= {"secret": {"ref": {"name": "a"}}} if preset.type == "signature" else {}
    manifest = case_named("The least that an endpoint needs")
    answer = server.create(json.dumps({**manifest, "spec": {**manifest["spec"], "auth": auth}}), "json")
    assert answer.status == 201, answer.document


@given(manifest=nearly_endpoints(below="spec").filter(lambda made: plain_faults(made) == []))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_judges_as_hookgate_does(server: Server, manifest: Any) -> None:
    """Whatever stands in a spec, API server and Hookgate take or refuse it alike, and fill it in alike."""
    answer = server.create(json.dumps(manifest), "json")
    loaded = loaded_or_none(manifest)
    assert (answer.status == 201) == (loaded is not None), answer.document
    assert loaded is None or answer.document["spec"] == loaded["spec"]


def test_kubectl_knows_short_name_and_category(installed: Cluster, namespace: str) -> None:
    """`kubectl get whe` and `kubectl get hookgate` find an endpoint and print its columns."""
    installed.apply(case_named("The least that an endpoint needs"), namespace=namespace)
    header, row = installed.kubectl("get", "whe", "-n", namespace).stdout.splitlines()
    assert header.split() == ["NAME", "STATE", "AUTH", "READY", "URL", "AGE"]
    assert row.split()[:3] == ["push", "active", "hmac"]
    assert "push" in installed.kubectl("get", "hookgate", "-n", namespace).stdout
    wide = installed.kubectl("get", "whe", "-n", namespace, "-o", "wide").stdout.splitlines()[0]
    assert wide.split() == ["NAME", "STATE", "AUTH", "READY", "REASON", "URL", "AGE"]


def test_status_is_a_subresource_whose_conditions_merge_by_type(
    installed: Cluster, server: Server, namespace: str
) -> None:
    """Only the subresource writes a status, which is empty until then; two managers own a condition each."""
    installed.apply(case_named("The least that an endpoint needs"), namespace=namespace)
    for kind, manager in (("Ready", "one"), ("Programmed", "two")):
        document = {**case_named("The least that an endpoint needs"), "status": {"conditions": [condition(kind)]}}
        del document["spec"]
        command = ["apply", "-n", namespace, "--server-side", f"--field-manager={manager}", "-f", "-"]
        installed.kubectl(*command, input=json.dumps(document))
        assert installed.get("whe", "push", "-n", namespace)["status"] == {} or kind == "Programmed"
        assert server.apply_status(document, namespace, manager).status == 200
    found = installed.get("whe", "push", "-n", namespace)["status"]["conditions"]
    assert {each["type"] for each in found} == {"Ready", "Programmed"}
    row = installed.kubectl("get", "whe", "-n", namespace, "-o", "wide").stdout.splitlines()[1]
    assert row.split()[3:5] == ["True", "Active"]


def test_a_namespace_in_a_reference_leads_nowhere_even_unvalidated(server: Server) -> None:
    """A client that switches field validation off has the namespace dropped, not followed."""
    manifest = case_named("The least that an endpoint needs")
    manifest["spec"]["auth"]["secret"] = {"ref": {"name": "a", "namespace": "kube-system"}}
    answer = server.create(json.dumps(manifest), "json", validation="Ignore")
    assert answer.document["spec"]["auth"]["secret"]["ref"] == {"name": "a", "key": "secret"}


def test_no_rule_is_newer_than_the_oldest_server() -> None:
    """CEL libraries that came later, or shortly before it, stay out of the rules."""
    text = CRD_FILE.read_text("utf-8")
    assert [word for word in ("ip(", "cidr(", "format.", "isSemver", "semver(", "isURL") if word in text] == []


def case_named(name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(read(case) for case in CASES if case.name == name)
    return found


def condition(kind: str) -> dict[str, str]:
    return {
        "type": kind,
        "status": "True",
        "reason": "Active",
        "message": "It is.",
        "lastTransitionTime": "2026-11-05T10:00:00Z",
    }
