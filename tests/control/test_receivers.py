"""What waits for the receivers, what does not, and when a binding counts as confirmed."""

from __future__ import annotations

from tests.control.stage import TEAM, Stage


def test_the_route_waits_until_every_ready_receiver_serves_the_binding(stage: Stage) -> None:
    stage.receivers.lag()
    stage.declare()
    stage.settle()
    assert stage.says("Programmed") == "False ReceiversPending"
    assert stage.message("Programmed") == "1 of 2 ready receivers serve it."
    assert stage.says("Reconciling") == "True ReceiversPending"
    assert stage.routes() == []
    assert stage.again == 1.0
    stage.receivers.catch_up()
    assert stage.settle() == ["apply Ingress", "status True Active"]


def test_without_any_receiver_an_active_endpoint_is_not_ready(stage: Stage) -> None:
    stage.receivers.ready = 0
    stage.declare()
    stage.settle()
    assert stage.ready() == "False NoReceivers"
    assert stage.says("Reconciling") == "True NoReceivers"
    assert stage.again == 30.0
    assert stage.connection()["secret"] == stage.verifying()[0]


def test_an_endpoint_that_was_never_activated_needs_no_receiver(stage: Stage) -> None:
    stage.receivers.ready = 0
    stage.declare(state="inactive")
    stage.settle()
    assert stage.ready() == "True Inactive"


def test_waiting_for_receivers_writes_nothing(stage: Stage) -> None:
    stage.receivers.lag()
    stage.declare()
    stage.settle()
    assert stage.settle() == []


def test_a_rollout_of_the_receivers_is_no_news_of_the_endpoint(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    stage.receivers.ready = 0
    assert stage.settle() == []
    stage.receivers.ready = 3
    stage.receivers.lag()
    assert stage.settle() == []
    assert stage.ready() == "True Active"


def test_a_confirmed_binding_is_not_asked_for_again(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    stage.settle()
    assert stage.story == []


def test_going_back_to_an_earlier_binding_is_confirmed_anew(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    stage.receivers.lag()
    stage.change(state="inactive")
    stage.settle()
    stage.receivers.lag()  # now it serves the inactive binding, and goes on doing so
    stage.change(state="active")
    stage.settle()
    assert stage.ready() == "False ReceiversPending"
    assert stage.settle() == []
    assert stage.ready() == "False ReceiversPending"


def test_an_endpoint_whose_spec_was_unreadable_is_confirmed_anew(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    spec = stage.endpoint()["spec"]
    stage.store({})
    stage.settle()
    stage.receivers.lag()
    stage.store(spec)
    stage.settle()
    assert stage.ready() == "False ReceiversPending"
    assert stage.settle() == []


def test_restoring_the_labels_of_a_binding_is_no_change_of_it(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    uid = stage.endpoint()["metadata"]["uid"]
    stage.edit("Secret", uid, "hookgate-bindings", metadata={"name": uid, "namespace": "hookgate-bindings"})
    stage.receivers.ready = 0
    assert stage.settle() == ["apply binding"]
    assert stage.story == ["apply binding"]
    assert stage.ready() == "True Active"


def test_a_change_tells_the_tenant_only_when_the_receivers_have_it(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    told = stage.connection()
    stage.receivers.lag()
    stage.secret_policy(rotate="now")
    stage.settle()
    assert stage.connection() == told
    stage.receivers.catch_up()
    assert stage.settle() == ["apply Secret ci-webhook", "status True Active"]
    assert stage.connection()["secret"] == stage.verifying()[0]


def test_a_new_secret_is_told_under_a_new_name_only_when_the_receivers_have_it(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    told = stage.connection()
    stage.receivers.lag()
    stage.secret_policy(rotate="now")
    stage.change(secretName="new-name")
    stage.settle()
    assert stage.secret("new-name") is None
    assert stage.connection() == told
    stage.receivers.catch_up()
    stage.settle()
    assert stage.connection("new-name")["secret"] == stage.verifying()[0]
    assert stage.secret() is None


def test_a_deleted_connection_secret_does_not_jump_the_queue_of_a_rotation(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    stage.receivers.lag()
    stage.secret_policy(rotate="now")
    stage.world.drop("Secret", TEAM, "ci-webhook")
    stage.settle()
    assert stage.secret() is None
    stage.receivers.catch_up()
    stage.settle()
    assert stage.connection()["secret"] == stage.verifying()[0]
