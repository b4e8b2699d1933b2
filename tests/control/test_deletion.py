"""The end of an endpoint: "deleted" means that it is no longer reachable, and what may outlive it."""

from __future__ import annotations

import pytest

from hookgate.control.cluster import ClusterError
from hookgate.control.objects import encode_data
from tests.control.stage import TEAM, Stage

FOREIGN = "example.com/finalizer"


@pytest.fixture
def active(stage: Stage) -> Stage:
    """An active endpoint."""
    stage.declare()
    stage.settle()
    return stage


def test_deletion_goes_from_the_binding_over_the_receivers_to_the_secret_and_the_finalizer(active: Stage) -> None:
    active.delete()
    active.settle()
    assert active.story == [
        "delete binding",
        "delete Ingress",
        "(2 of 2 receivers serve nothing)",
        "delete Secret ci-webhook",
        "drop finalizer",
    ]
    assert not active.exists()
    assert active.world.of_kind("Secret", "Ingress") == []


def test_the_object_stays_while_a_receiver_still_serves_it(active: Stage) -> None:
    told = active.connection()
    active.receivers.lag()
    active.delete()
    assert active.settle() == ["delete binding", "delete Ingress"]
    assert active.again == 1.0
    assert active.settle() == []
    assert active.connection() == told
    active.receivers.catch_up()
    assert active.settle() == ["delete Secret ci-webhook", "drop finalizer"]
    assert not active.exists()


def test_after_sixty_seconds_of_silence_the_deletion_goes_on_with_a_warning(active: Stage) -> None:
    active.receivers.lag()
    active.delete()
    active.settle()
    active.wait(59)
    assert active.settle() == []
    active.wait(1)
    active.settle()
    assert not active.exists()
    assert active.world.events[-1] == ("Warning", "ReceiversUnconfirmed")


def test_where_no_receiver_is_ready_nobody_serves_it(active: Stage) -> None:
    active.receivers.ready = 0
    active.delete()
    active.settle()
    assert not active.exists()
    assert ("Warning", "ReceiversUnconfirmed") not in active.world.events


def test_an_endpoint_without_our_finalizer_is_none_of_our_business(stage: Stage) -> None:
    stage.declare()
    found = stage.endpoint()
    stage.world.put({**found, "metadata": {**found["metadata"], "finalizers": [FOREIGN]}})
    stage.delete()
    assert stage.settle() == []


def test_the_finalizers_of_others_are_kept(stage: Stage) -> None:
    stage.declare()
    found = stage.endpoint()
    stage.world.put({**found, "metadata": {**found["metadata"], "finalizers": [FOREIGN]}})
    stage.settle()
    assert set(stage.endpoint()["metadata"]["finalizers"]) == {FOREIGN, "hookgate.dev/finalizer"}
    stage.delete()
    stage.settle()
    assert stage.endpoint()["metadata"]["finalizers"] == [FOREIGN]
    assert stage.settle() == []


def test_an_endpoint_with_an_unreadable_spec_can_be_deleted(active: Stage) -> None:
    active.store({})
    active.settle()
    active.delete()
    active.settle()
    assert not active.exists()
    assert active.world.of_kind("Secret", "Ingress") == []


def test_an_absent_endpoint_can_be_deleted(active: Stage) -> None:
    active.change(state="absent")
    active.settle()
    active.delete()
    assert active.settle() == ["drop finalizer"]


def test_a_refused_endpoint_that_never_had_anything_goes_at_once(stage: Stage) -> None:
    stage.declare(auth={"type": "hmac", "provider": "nobody-knows"})
    stage.settle()
    stage.delete()
    assert not stage.exists()


def test_a_secret_that_moved_before_the_deletion_goes_too(active: Stage) -> None:
    active.receivers.ready = 0
    active.secret_policy(rotate="1")
    active.change(secretName="new-name")
    active.settle()
    active.receivers.ready = 2
    active.delete()
    active.settle()
    assert active.world.of_kind("Secret") == []


# Retain ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def retained(active: Stage) -> dict[str, bytes]:
    """What the connection Secret told of an endpoint that is deleted with deletionPolicy Retain."""
    active.change(deletionPolicy="Retain")
    active.settle()
    told = active.connection()
    active.delete()
    active.settle()
    return told


def test_retain_keeps_the_connection_secret_without_an_owner(active: Stage, retained: dict[str, bytes]) -> None:
    assert not active.exists()
    assert active.connection() == retained
    found = active.world.get("Secret", TEAM, "ci-webhook")
    assert found is not None
    assert found["metadata"]["ownerReferences"] == []
    assert "hookgate.dev/role" not in found["metadata"]["labels"]


def test_a_retained_endpoint_is_served_no_more(active: Stage, retained: dict[str, bytes]) -> None:
    assert active.world.bindings() == {}
    assert active.routes() == []


def test_a_later_endpoint_does_not_take_a_retained_secret_over_by_itself(
    active: Stage, retained: dict[str, bytes]
) -> None:
    active.declare()
    active.settle()
    assert active.ready() == "False SecretNameTaken"
    assert active.connection() == retained


def test_a_later_endpoint_that_asks_for_it_gets_url_and_secret_back(active: Stage, retained: dict[str, bytes]) -> None:
    active.declare()
    active.annotate("hookgate.dev/adopt", "true")
    active.settle()
    assert active.ready() == "True Active"
    assert active.connection() == retained
    assert active.verifying() == [retained["secret"]]
    assert [s["metadata"]["name"] for s in active.world.of_kind("Secret") if "hookgate-bindings" in str(s)] == [
        active.endpoint()["metadata"]["uid"]
    ]
    assert active.settle() == []


def test_one_that_asks_for_it_later_gets_it_instead_of_what_it_had_meanwhile(
    active: Stage, retained: dict[str, bytes]
) -> None:
    active.declare()
    active.settle()
    assert active.ready() == "False SecretNameTaken"
    active.annotate("hookgate.dev/adopt", "true")
    active.settle()
    assert active.ready() == "True Active"
    assert active.connection() == retained
    assert active.verifying() == [retained["secret"]]
    assert active.settle() == []


def test_of_two_that_ask_for_it_one_gets_it_and_the_other_leaves_it_alone(
    active: Stage, retained: dict[str, bytes]
) -> None:
    """Looked at step by step in turns: two bindings with the kept path would serve neither."""
    names = ("one", "two")
    for name in names:
        active.declare(name, secretName="ci-webhook")
        active.annotate("hookgate.dev/adopt", "true", name)
    active.settle_in_turns(*names)
    assert sorted(active.ready(name) for name in names) == ["False SecretNameTaken", "True Active"]
    assert active.connection() == retained
    paths = [active.binding(name).segment for name in names]
    assert paths[0] != paths[1]


def test_one_that_is_deleted_half_way_through_its_adoption_leaves_what_it_found(
    active: Stage, retained: dict[str, bytes]
) -> None:
    """The Secret is its own by then, the binding is not made yet: whoever adopts later gets the same URL."""
    active.declare(deletionPolicy="Retain")
    active.annotate("hookgate.dev/adopt", "true")
    active.world.refused.add("create binding")
    with pytest.raises(ClusterError):
        active.settle()
    active.world.refused.clear()
    active.delete()
    active.settle()
    assert active.connection() == retained
    active.declare()
    active.annotate("hookgate.dev/adopt", "true")
    active.settle()
    assert active.ready() == "True Active"
    assert active.connection() == retained


def test_an_adoption_believes_what_was_kept_and_not_what_a_tenant_wrote(
    active: Stage, retained: dict[str, bytes]
) -> None:
    active.edit("Secret", "ci-webhook", data=encode_data({**retained, "secret": b"chosen-by-a-tenant-just-now"}))
    active.declare()
    active.annotate("hookgate.dev/adopt", "true")
    active.settle()
    assert active.connection() == retained


def test_nothing_is_adopted_from_another_namespace(active: Stage, retained: dict[str, bytes]) -> None:
    found = active.world.get("Secret", TEAM, "ci-webhook")
    assert found is not None
    active.world.put({**found, "metadata": {**found["metadata"], "namespace": "team-b"}})
    active.serve("app", namespace="team-b")
    active.declare(namespace="team-b")
    stored = active.world.get("WebhookEndpoint", "team-b", "ci")
    assert stored is not None
    stored["metadata"]["annotations"] = {"hookgate.dev/adopt": "true"}
    active.settle(namespace="team-b")
    stored = active.world.get("WebhookEndpoint", "team-b", "ci")
    assert stored is not None
    ready = next(c for c in stored["status"]["conditions"] if c["type"] == "Ready")
    assert ready["reason"] == "SecretNameTaken"
