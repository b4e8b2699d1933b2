"""`hookgate rotate` where nothing can be rotated, and where it is a matter of a file or of Git."""

from __future__ import annotations

from typing import Any

import pytest

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.gitops import others_annotate
from hookgate.cli.place import Rotated, Rotation
from hookgate.cli.rotate import _judged as judged
from hookgate.model.endpoint import ANNOTATION_ROTATE

SECRET, URL, FORWARD = (Rotation(value="2026", what=each) for each in Rotated)


def endpoint(**spec: Any) -> dict[str, Any]:
    """An endpoint as read."""
    usual = {
        "state": "active",
        "auth": {"type": "hmac", "provider": "github"},
        "target": {"service": {"name": "ci", "port": 80}},
    }
    return {
        "apiVersion": "hookgate.dev/v1alpha1",
        "kind": "WebhookEndpoint",
        "metadata": {"name": "push", "namespace": "team-a", "uid": "u", "generation": 1},
        "spec": {**usual, **spec},
    }


def test_the_former_one_works_as_long_as_the_endpoint_says() -> None:
    auth = {"type": "hmac", "provider": "github", "secret": {"overlap": "1h"}}
    assert judged(endpoint(auth=auth, exposure={"overlap": "0s"}), SECRET) == 3600
    assert judged(endpoint(auth=auth, exposure={"overlap": "0s"}), URL) == 0
    target = {"service": {"name": "ci", "port": 80}, "signing": {"overlap": "2h"}}
    assert judged(endpoint(auth={"type": "none"}, target=target), FORWARD) == 7200


@pytest.mark.parametrize(
    ("spec", "rotation", "why"),
    [
        ({"state": "absent"}, SECRET, "has nothing to rotate"),
        ({"auth": {"type": "none"}}, SECRET, "all that guards it is the URL: add --url"),
        (
            {"auth": {"type": "hmac", "provider": "github", "secret": {"ref": {"name": "mine"}}}},
            SECRET,
            "mine, in spec.auth.secret.previ",
        ),
    ],
)
def test_where_there_is_nothing_to_rotate_it_says_why(spec: dict[str, Any], rotation: Rotation, why: str) -> None:
    with pytest.raises(Stop, match=why) as stopped:
        judged(endpoint(**spec), rotation)
    assert stopped.value.code == Exit.REFUSED


def test_a_rotation_is_written_as_the_fields_that_declare_it() -> None:
    assert SECRET.fields() == {"metadata": {"annotations": {ANNOTATION_ROTATE: "2026"}}}
    assert URL.fields() == {"spec": {"exposure": {"rotateURL": "2026"}}}
    assert FORWARD.fields() == {"spec": {"target": {"signing": {"rotate": "2026"}}}}
    assert FORWARD.as_yaml() == 'spec:\n  target:\n    signing:\n      rotate: "2026"'
    assert SECRET.as_yaml() == 'metadata:\n  annotations:\n    hookgate.dev/rotate: "2026"'
    assert URL.as_yaml() == 'spec:\n  exposure:\n    rotateURL: "2026"'


@pytest.mark.parametrize(("manager", "others"), [("hookgate", False), ("argocd-controller", True)])
def test_who_annotates_is_told_by_the_field_managers(manager: str, others: bool) -> None:
    fields: dict[str, Any] = {"f:metadata": {"f:annotations": {f"f:{ANNOTATION_ROTATE}": {}}}}
    manifest = {"metadata": {"managedFields": [{"manager": manager, "fieldsV1": fields}]}}
    assert others_annotate(manifest, ANNOTATION_ROTATE) is others
    assert not others_annotate(manifest, "hookgate.dev/suspend")
