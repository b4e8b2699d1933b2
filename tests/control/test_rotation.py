"""Rotation: a new secret, or a new URL, once per request, with an overlap in which the old one still works."""

from __future__ import annotations

import pytest

from tests.control.stage import Stage

HOUR = 3600
ROTATE = "hookgate.dev/rotate"


@pytest.fixture
def active(stage: Stage) -> Stage:
    """An active endpoint with a generated secret."""
    stage.declare()
    stage.settle()
    return stage


def test_a_rotation_goes_from_the_binding_over_the_receivers_to_the_connection_secret(active: Stage) -> None:
    active.secret_policy(rotate="2026-01")
    active.settle()
    assert active.story == [
        "apply binding",
        "(2 of 2 receivers serve it)",
        "apply Secret ci-webhook",
        "status True Active",
    ]


@pytest.mark.parametrize("asked", ["spec", "annotation"])
def test_a_new_value_makes_one_new_secret_and_keeps_the_previous_one(active: Stage, asked: str) -> None:
    before = active.verifying()[0]
    if asked == "spec":
        active.secret_policy(rotate="2026-01")
    else:
        active.annotate(ROTATE, "2026-01")
    active.settle()
    new, old = active.binding().keys
    assert old.value.reveal() == before
    assert (new.expires, old.expires) == (None, active.now + 24 * HOUR)
    assert active.connection()["secret"] == new.value.reveal() != before
    assert active.connection()["previous-secrets"] == before


@pytest.mark.parametrize("value", ["x" * 10_000, "\U0001f600", "two\nlines", " "])
def test_an_annotation_can_ask_with_any_text(active: Stage, value: str) -> None:
    before = active.verifying()[0]
    active.annotate(ROTATE, value)
    active.settle()
    assert active.verifying()[1:] == [before]
    assert active.settle() == []
    assert all(len(seen) <= 64 for seen in active.status()["rotated"].values())


def test_a_value_counts_once(active: Stage) -> None:
    active.secret_policy(rotate="2026-01")
    active.settle()
    keys = active.verifying()
    active.change(inactiveResponse=404)
    active.settle()
    active.annotate(ROTATE, "2026-01")  # another place is another request
    active.settle()
    assert active.verifying()[1:] == keys
    assert active.settle() == []


def test_removing_the_value_asks_for_nothing_and_so_does_bringing_it_back(active: Stage) -> None:
    active.secret_policy(rotate="2026-01")
    active.settle()
    keys = active.verifying()
    active.secret_policy()
    active.settle()
    active.secret_policy(rotate="2026-01")
    active.settle()
    assert active.verifying() == keys


def test_a_value_given_at_creation_asks_for_nothing(stage: Stage) -> None:
    stage.declare(auth={"type": "hmac", "provider": "github", "secret": {"rotate": "2026-01"}})
    stage.settle()
    assert len(stage.verifying()) == 1


def test_both_places_at_once_ask_for_one_rotation(active: Stage) -> None:
    active.secret_policy(rotate="2026-01")
    active.annotate(ROTATE, "now")
    active.settle()
    assert len(active.verifying()) == 2


def test_the_status_tells_which_rotations_were_done(active: Stage) -> None:
    active.secret_policy(rotate="2026-01")
    active.settle()
    assert active.status()["rotated"] == {"spec": "2026-01"}


def test_a_rotation_changes_neither_url_nor_route(active: Stage) -> None:
    url, routes = active.connection()["url"], active.routes()
    active.secret_policy(rotate="2026-01")
    active.settle()
    assert active.connection()["url"] == url
    assert active.routes() == routes


def test_the_previous_secret_ends_with_its_overlap(active: Stage) -> None:
    active.secret_policy(rotate="2026-01", overlap="1h")
    active.settle()
    assert active.again == HOUR
    active.wait(HOUR)
    assert active.settle() == ["apply binding", "replace Secret ci-webhook", "status True Active"]
    assert len(active.verifying()) == 1
    assert "previous-secrets" not in active.connection()
    assert active.again is None


def test_the_previous_secret_is_refused_at_its_end_even_if_nobody_reconciles(active: Stage) -> None:
    active.secret_policy(rotate="2026-01", overlap="1h")
    active.settle()
    old = active.binding().keys[1]
    assert [old.valid_at(active.now + HOUR - 1), old.valid_at(active.now + HOUR)] == [True, False]


def test_an_overlap_of_nothing_revokes_at_once(active: Stage) -> None:
    before = active.verifying()
    active.secret_policy(rotate="leaked", overlap="0s")
    active.settle()
    assert len(active.verifying()) == 1
    assert active.verifying() != before
    assert "previous-secrets" not in active.connection()


def test_revoking_at_once_ends_all_earlier_overlaps(active: Stage) -> None:
    active.secret_policy(rotate="1")
    active.settle()
    active.secret_policy(rotate="2", overlap="0s")
    active.settle()
    assert len(active.verifying()) == 1


def test_every_secret_keeps_its_own_end_over_several_rotations(active: Stage) -> None:
    start = active.now
    for number in (1, 2):
        active.secret_policy(rotate=str(number), overlap="2h")
        active.settle()
        active.wait(HOUR)
    assert [key.expires for key in active.binding().keys] == [None, start + 3 * HOUR, start + 2 * HOUR]
    active.settle()
    assert active.again == HOUR


def test_however_often_it_is_rotated_no_more_than_four_secrets_are_tried_on_a_call(active: Stage) -> None:
    for number in range(6):
        active.secret_policy(rotate=str(number))
        active.settle()
    assert len(active.verifying()) == 4
    assert len(set(active.verifying())) == 4
    assert active.connection()["previous-secrets"].split(b"\n") == active.verifying()[1:]


def test_keys_of_one_endpoint_have_names_of_their_own(active: Stage) -> None:
    for number in range(3):
        active.secret_policy(rotate=str(number))
        active.settle()
    assert len({key.id for key in active.binding().keys}) == 4


def test_an_inactive_endpoint_can_be_rotated(active: Stage) -> None:
    active.change(state="inactive")
    active.secret_policy(rotate="2026-01")
    active.settle()
    assert len(active.verifying()) == 2
    assert active.ready() == "True Inactive"


# Another form of secret ----------------------------------------------------------------------------------------------


def test_a_provider_that_needs_another_form_of_secret_waits_for_a_rotation(active: Stage) -> None:
    keys = active.verifying()
    active.change(auth={"type": "hmac", "provider": "standard-webhooks"})
    active.settle()
    assert active.ready() == "False SecretFormatMismatch"
    assert active.says("Stalled") == "True SecretFormatMismatch"
    assert (active.verifying(), active.answer()) == (keys, 503)


def test_rotating_into_another_form_keeps_no_secret_that_could_never_verify(active: Stage) -> None:
    active.change(auth={"type": "hmac", "provider": "standard-webhooks"})
    active.settle()
    active.secret_policy(rotate="2026-01")
    active.settle()
    assert active.ready() == "True Active"
    assert len(active.verifying()) == 1
    assert active.verifying()[0].startswith(b"whsec_")
    assert active.connection()["secret"] == active.verifying()[0]


def test_going_back_to_the_form_of_the_secret_needs_no_rotation(active: Stage) -> None:
    told = active.connection()
    auth = active.endpoint()["spec"]["auth"]
    active.change(auth={"type": "hmac", "provider": "standard-webhooks"})
    active.settle()
    active.change(auth=auth)
    active.settle()
    assert (active.ready(), active.connection()) == ("True Active", told)


def test_another_type_with_the_same_form_keeps_the_secret(active: Stage) -> None:
    keys = active.verifying()
    active.change(auth={"type": "token", "token": {"header": "X-Token"}})
    active.settle()
    assert (active.ready(), active.verifying()) == ("True Active", keys)
    assert active.connection()["token"] == keys[0]
    assert "secret" not in active.connection()


# The URL ------------------------------------------------------------------------------------------------------------


def test_a_new_url_is_made_once_per_value_and_the_old_one_works_for_its_overlap(active: Stage) -> None:
    old, keys = active.binding().segment, active.verifying()
    active.change(exposure={"rotateURL": "leaked", "overlap": "1h"})
    active.settle()
    assert active.binding().segment != old
    assert [(r.segment, r.expires) for r in active.binding().retired] == [(old, active.now + HOUR)]
    assert active.verifying() == keys
    assert active.settle() == []
    active.wait(HOUR)
    active.settle()
    assert active.binding().retired == ()
    assert active.again is None


def test_the_route_has_the_old_path_until_its_overlap_ends(active: Stage) -> None:
    active.change(exposure={"rotateURL": "leaked", "overlap": "1h"})
    active.settle()
    (route,) = active.routes()
    assert len(route["spec"]["rules"][0]["http"]["paths"]) == 2
    active.wait(HOUR)
    active.settle()
    (route,) = active.routes()
    paths = route["spec"]["rules"][0]["http"]["paths"]
    assert [p["path"] for p in paths] == [f"/h/{active.binding().segment}"]


def test_a_new_url_is_told_only_when_receivers_serve_it(active: Stage) -> None:
    told = active.connection()
    active.receivers.lag()
    active.change(exposure={"rotateURL": "leaked"})
    active.settle()
    assert active.connection() == told
    active.receivers.catch_up()
    active.settle()
    assert active.connection()["url"].decode() == active.status()["url"] != told["url"].decode()


def test_a_leaked_url_can_be_revoked_at_once(active: Stage) -> None:
    active.change(exposure={"rotateURL": "leaked", "overlap": "0s"})
    active.settle()
    assert active.binding().retired == ()


def test_rotating_the_secret_and_the_url_are_two_things(active: Stage) -> None:
    segment = active.binding().segment
    active.secret_policy(rotate="2026-01")
    active.settle()
    assert active.binding().segment == segment
    keys = active.verifying()
    active.change(exposure={"rotateURL": "2026-01"})
    active.settle()
    assert active.verifying() == keys
    assert active.binding().segment != segment


def test_a_url_asked_for_anew_before_the_first_activation_is_the_first_one(stage: Stage) -> None:
    stage.declare(state="inactive", exposure={"rotateURL": "early"})
    stage.settle()
    assert stage.binding().segment is None
    stage.change(state="active")
    stage.settle()
    assert stage.binding().segment is not None
    assert stage.binding().retired == ()
