"""The connection Secret: the tenant's copy of the binding, restored byte for byte, never taken from others."""

from __future__ import annotations

import base64

import pytest

from hookgate.control.cluster import ClusterError
from tests.control.stage import TEAM, Stage

NAME = "ci-webhook"
RESTORED = ["apply Secret ci-webhook"]


def encoded(**data: bytes) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


@pytest.fixture
def told(stage: Stage) -> dict[str, bytes]:
    """An active endpoint's connection Secret as first told."""
    stage.declare()
    stage.settle()
    return stage.connection()


def test_it_belongs_to_the_endpoint_so_that_it_goes_with_it(stage: Stage, told: dict[str, bytes]) -> None:
    secret = stage.world.get("Secret", TEAM, NAME)
    assert secret is not None
    assert [(r["kind"], r["uid"]) for r in secret["metadata"]["ownerReferences"]] == [
        ("WebhookEndpoint", stage.endpoint()["metadata"]["uid"])
    ]


def test_it_inherits_no_labels_or_annotations_of_the_endpoint(stage: Stage) -> None:
    stage.declare()
    found = stage.endpoint()
    tracking = {"app.kubernetes.io/instance": "my-app"}
    stage.world.put({**found, "metadata": {**found["metadata"], "labels": tracking, "annotations": tracking}})
    stage.settle()
    secret = stage.world.get("Secret", TEAM, NAME)
    assert secret is not None
    assert "app.kubernetes.io/instance" not in secret["metadata"]["labels"]
    assert "annotations" not in secret["metadata"]


def test_a_changed_value_is_restored(stage: Stage, told: dict[str, bytes]) -> None:
    stage.edit("Secret", NAME, data=encoded(**{**told, "secret": b"chosen-by-somebody"}))
    assert stage.settle() == RESTORED
    assert stage.connection() == told


def test_a_removed_value_is_restored(stage: Stage, told: dict[str, bytes]) -> None:
    stage.edit("Secret", NAME, data=encoded(url=told["url"]))
    assert stage.settle() == RESTORED
    assert stage.connection() == told


def test_data_that_is_no_base64_is_restored(stage: Stage, told: dict[str, bytes]) -> None:
    stage.edit("Secret", NAME, data={**encoded(**told), "secret": "?"})
    assert stage.settle() == RESTORED
    assert stage.connection() == told


def test_a_deleted_one_comes_back_with_the_same_values(stage: Stage, told: dict[str, bytes]) -> None:
    stage.world.drop("Secret", TEAM, NAME)
    assert stage.settle() == ["create Secret ci-webhook"]
    assert stage.connection() == told


def test_foreign_keys_are_taken_out(stage: Stage, told: dict[str, bytes]) -> None:
    stage.edit("Secret", NAME, data=encoded(**told, extra=b"not ours"))
    assert stage.settle() == ["replace Secret ci-webhook"]
    assert stage.connection() == told


def test_an_immutable_one_that_still_tells_the_truth_is_left_alone(stage: Stage, told: dict[str, bytes]) -> None:
    stage.edit("Secret", NAME, immutable=True)
    assert stage.settle() == []


def test_an_immutable_one_that_tells_something_else_is_made_anew(stage: Stage, told: dict[str, bytes]) -> None:
    stage.edit("Secret", NAME, immutable=True, data=encoded(secret=b"frozen-by-somebody"))
    assert stage.settle() == ["delete Secret ci-webhook", "create Secret ci-webhook"]
    assert stage.connection() == told


def test_one_of_another_type_is_made_anew_since_types_cannot_change(stage: Stage, told: dict[str, bytes]) -> None:
    stage.edit("Secret", NAME, type="example.com/other")
    assert stage.settle() == ["delete Secret ci-webhook", "create Secret ci-webhook"]
    assert stage.connection() == told


def test_its_labels_are_restored_and_those_of_others_stay(stage: Stage, told: dict[str, bytes]) -> None:
    secret = stage.world.get("Secret", TEAM, NAME)
    assert secret is not None
    ours = secret["metadata"]["labels"]
    stage.edit("Secret", NAME, metadata={**secret["metadata"], "labels": {"team": "a"}})
    assert stage.settle() == RESTORED
    secret = stage.world.get("Secret", TEAM, NAME)
    assert secret is not None
    assert secret["metadata"]["labels"] == {**ours, "team": "a"}


def test_an_owner_that_somebody_added_stays(stage: Stage, told: dict[str, bytes]) -> None:
    secret = stage.world.get("Secret", TEAM, NAME)
    assert secret is not None
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "app", "uid": "its-uid"}
    owners = [other, *secret["metadata"]["ownerReferences"]]
    stage.edit("Secret", NAME, metadata={**secret["metadata"], "ownerReferences": owners})
    assert stage.settle() == []
    stage.edit("Secret", NAME, data=encoded(secret=b"chosen-by-somebody"))
    stage.settle()
    secret = stage.world.get("Secret", TEAM, NAME)
    assert secret is not None
    assert {r["kind"] for r in secret["metadata"]["ownerReferences"]} == {"ConfigMap", "WebhookEndpoint"}


def test_its_owner_is_restored_where_somebody_took_it_away(stage: Stage, told: dict[str, bytes]) -> None:
    secret = stage.world.get("Secret", TEAM, NAME)
    assert secret is not None
    owners = secret["metadata"]["ownerReferences"]
    stage.edit("Secret", NAME, metadata={**secret["metadata"], "ownerReferences": []})
    assert stage.settle() == RESTORED
    secret = stage.world.get("Secret", TEAM, NAME)
    assert secret is not None
    assert secret["metadata"]["ownerReferences"] == owners
    assert stage.connection() == told


def test_it_is_restored_even_while_no_receiver_is_ready(stage: Stage, told: dict[str, bytes]) -> None:
    stage.receivers.ready = 0
    stage.world.drop("Secret", TEAM, NAME)
    stage.settle()
    assert stage.connection() == told
    assert stage.ready() == "True Active"


def test_it_moves_when_its_name_changes(stage: Stage, told: dict[str, bytes]) -> None:
    stage.change(secretName="new-name")
    assert stage.settle() == [
        "create Secret new-name",
        "delete Secret ci-webhook",
        "status True Active",
    ]
    assert stage.connection("new-name") == told
    assert stage.status()["secretName"] == "new-name"


def test_a_token_stands_under_its_own_key(stage: Stage) -> None:
    stage.declare(auth={"type": "token", "token": {"header": "X-Token"}})
    stage.settle()
    assert set(stage.connection()) == {"url", "header", "token"}


# A name that is somebody else's ------------------------------------------------------------------------------------


def test_a_secret_of_somebody_else_is_neither_adopted_nor_changed(stage: Stage) -> None:
    stage.bring(NAME, labelled=False, password=b"somebody else's")
    stage.declare()
    before = stage.world.get("Secret", TEAM, NAME)
    stage.settle()
    assert stage.ready() == "False SecretNameTaken"
    assert stage.says("Stalled") == "True SecretNameTaken"
    assert stage.world.get("Secret", TEAM, NAME) == before
    assert "secretName" not in stage.status()


def test_a_secret_of_somebody_else_survives_the_deletion_of_the_endpoint(stage: Stage) -> None:
    stage.bring(NAME, labelled=False, password=b"somebody else's")
    stage.declare()
    stage.settle()
    stage.delete()
    stage.settle()
    assert stage.secret() == {"password": b"somebody else's"}
    assert not stage.exists()


def test_the_endpoint_recovers_when_the_name_is_given_up(stage: Stage) -> None:
    stage.bring(NAME, labelled=False, password=b"somebody else's")
    stage.declare()
    stage.settle()
    assert stage.again == 30.0
    stage.world.drop("Secret", TEAM, NAME)
    stage.settle()
    assert stage.ready() == "True Active"
    assert "Stalled" not in {c["type"] for c in stage.status()["conditions"]}


def test_a_copy_of_the_connection_secret_of_a_deleted_endpoint_is_somebody_else_s(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    old = stage.world.get("Secret", TEAM, NAME)
    assert old is not None
    stage.delete()
    stage.settle()
    stage.world.put(old)
    stage.declare()
    stage.settle()
    assert stage.ready() == "False SecretNameTaken"


def test_moving_to_a_taken_name_keeps_the_old_secret_and_goes_on_serving(stage: Stage, told: dict[str, bytes]) -> None:
    stage.bring("taken", labelled=False, password=b"somebody else's")
    stage.change(secretName="taken")
    stage.settle()
    assert stage.ready() == "False SecretNameTaken"
    assert stage.connection() == told
    assert stage.connection("taken") == {"password": b"somebody else's"}
    assert stage.status()["secretName"] == NAME
    assert stage.answer() == "verdict"


def test_a_secret_that_appears_while_it_is_being_created_is_found_taken(stage: Stage) -> None:
    stage.bring(NAME, labelled=False, password=b"somebody else's")
    stage.world.hidden.add(("Secret", TEAM, NAME))
    stage.declare()
    stage.settle()
    assert stage.ready() == "False SecretNameTaken"
    assert stage.secret() == {"password": b"somebody else's"}


@pytest.mark.parametrize("known", [True, False], ids=["known before", "found out by trying"])
def test_an_endpoint_gets_its_url_although_the_name_of_its_secret_is_taken(stage: Stage, known: bool) -> None:
    """Whether that is found out by trying or is known already; nobody is told the secret until there is a name."""
    stage.bring(NAME, labelled=False, password=b"somebody else's")
    stage.declare()
    stage.settle()
    if known:
        stage.change(state="absent")
        stage.settle()
        stage.change(state="active")
        stage.settle()
    assert stage.ready() == "False SecretNameTaken"
    assert stage.status()["url"] == stage.binding().url
    assert "secretName" not in stage.status()
    assert stage.settle() == []


def test_a_failed_write_is_an_error_that_is_tried_again(stage: Stage) -> None:
    def refuse(_number: int, _when: str) -> None:
        raise ClusterError("create Secret: the server is away")

    stage.declare()
    stage.world.fault = refuse
    with pytest.raises(ClusterError):
        stage.settle()
    stage.world.fault = lambda _number, _when: None
    stage.settle()
    assert stage.ready() == "True Active"
