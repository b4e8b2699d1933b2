"""`spec.state` changes in a manifest's text, and not one other character."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hookgate.cli.edit import CannotEdit, changed, planned
from hookgate.cli.exits import Exit, Stop
from hookgate.control.cluster import Request
from tests.standalone.rig import endpoint

PUSH = Request("default", "push")
REST = "  auth: {type: hmac, provider: github}\n  target: {service: {name: ci, port: 80}}\n"
HEAD = "apiVersion: hookgate.dev/v1alpha1\nkind: WebhookEndpoint\nmetadata: {name: push}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  state: active\n", "  state: inactive\n"),
        ("  state:   active   # because\n", "  state:   inactive   # because\n"),
        ("  state: 'active'\n", "  state: 'inactive'\n"),
        ('  "state": "active"\n', '  "state": "inactive"\n'),
        ("  # state: absent\n  state: active\n", "  # state: absent\n  state: inactive\n"),
        ("", "  state: inactive\n"),
    ],
)
def test_the_one_value_changes(before: str, after: str) -> None:
    """Comments, quotes and spaces stay; a missing line is put first."""
    assert changed(f"{HEAD}spec:\n{before}{REST}", PUSH, "inactive") == f"{HEAD}spec:\n{after}{REST}"


def test_a_comment_in_front_of_the_first_field_stays_in_front_of_it() -> None:
    """The new line stands right above the first field."""
    text = f"{HEAD}spec:  # what is asked for\n  # how\n{REST}"
    assert changed(text, PUSH, "absent") == f"{HEAD}spec:  # what is asked for\n  # how\n  state: absent\n{REST}"


def test_only_the_named_endpoint_changes() -> None:
    """Among many documents, of other kinds, names and namespaces."""
    other = endpoint("other")
    team = endpoint("push").replace("name: push", "name: push\n  namespace: team")
    text = "---\n".join(("# nothing\n", other, team, endpoint("push"), "kind: ConfigMap\nmetadata: {name: push}\n"))
    result = changed(text, PUSH, "inactive")
    assert result == text.replace(endpoint("push"), endpoint("push", state="inactive"))
    assert changed(text, Request("team", "push"), "absent").count("absent") == 1


def test_line_endings_stay() -> None:
    """Also those of the inserted line."""
    text = f"{HEAD}spec:\n{REST}".replace("\n", "\r\n")
    assert changed(text, PUSH, "inactive") == text.replace("spec:\r\n", "spec:\r\n  state: inactive\r\n")


def test_a_mark_at_the_beginning_stays() -> None:
    """Some editors write one."""
    assert changed("\ufeff" + endpoint(), PUSH, "absent") == "\ufeff" + endpoint(state="absent")


def test_flow_style_and_json_are_edited_too() -> None:
    """With the quotes that JSON needs."""
    assert "spec: {state: absent, auth:" in changed(
        f"{HEAD}spec: {{auth: {{type: hmac, provider: github}}, target: {{}}}}\n", PUSH, "absent"
    )
    document = {"kind": "WebhookEndpoint", "metadata": {"name": "push"}, "spec": {"auth": {}}}
    result = json.loads(changed(json.dumps(document, indent=2), PUSH, "absent"))
    assert result == {**document, "spec": {"state": "absent", "auth": {}}}


def test_an_item_of_a_list_is_edited() -> None:
    """As `kubectl get -o yaml` writes many."""
    items = "".join(
        f"- kind: WebhookEndpoint\n  metadata: {{name: {name}}}\n  spec:\n    auth: {{}}\n" for name in ("a", "push")
    )
    text = f"apiVersion: v1\nkind: List\nitems:\n{items}"
    head, _, tail = text.rpartition("    auth: {}\n")
    assert changed(text, PUSH, "absent") == f"{head}    state: absent\n    auth: {{}}\n{tail}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (endpoint("other"), "the endpoint does not stand there any more"),
        (endpoint() + "---\n" + endpoint(), "the endpoint stands there twice"),
        (endpoint().replace("auth:", "auth: &a").replace("    service:", "    x: *a\n    service:"), "YAML aliases"),
        (f"{HEAD}spec: {{}}\n", "its layout is unusual"),
        (f"{HEAD}spec:\n  state: [active]\n{REST}", "its layout is unusual"),
        (endpoint() + "  [", "it is not in order"),
        (endpoint() + "kind: WebhookEndpoint\n", "it is not in order"),
    ],
)
def test_what_cannot_be_changed_safely_is_not_changed(text: str, why: str) -> None:
    """Better no change than a wrong one."""
    with pytest.raises(CannotEdit, match=why):
        changed(text, PUSH, "inactive")


def test_the_file_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    """It is replaced as a whole, where it really stands."""
    path, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    path.write_text(endpoint())
    path.chmod(0o640)
    link.symlink_to(path)
    planned(link, PUSH, "inactive")()
    assert (path.read_text(), path.stat().st_mode & 0o777) == (endpoint(state="inactive"), 0o640)
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["link.yaml", "real.yaml"]


def test_a_file_that_changed_in_the_meantime_is_left_alone(tmp_path: Path) -> None:
    """Between the plan and the confirmation somebody may save."""
    path = tmp_path / "a.yaml"
    path.write_text(endpoint())
    write = planned(path, PUSH, "inactive")
    path.write_text(endpoint() + "# saved\n")
    with pytest.raises(Stop, match="changed in the meantime"):
        write()
    assert path.read_text() == endpoint() + "# saved\n"


def test_what_to_do_by_hand_is_told(tmp_path: Path) -> None:
    """With file, endpoint, field and value, and exit code 3."""
    path = tmp_path / "a.yaml"
    path.write_text(endpoint("other"))
    with pytest.raises(Stop) as raised:
        planned(path, PUSH, "inactive")
    assert raised.value.code is Exit.NOT_CHANGED
    assert str(raised.value) == (
        f"{path}: not changed (the endpoint does not stand there any more); change it by hand, in the WebhookEndpoint "
        "default/push:\n\nspec:\n  state: inactive"
    )
