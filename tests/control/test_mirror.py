"""The mirror of one kind: news of others wakes, our own writes do not, and nothing old overwrites anything newer."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from hookgate.control.mirror import Mirror

OWNER = "hookgate.dev/endpoint-uid"


class Seen:
    """A mirror and whom it woke."""

    def __init__(self) -> None:
        self.woken: list[str] = []
        self.mirror = Mirror(lambda obj: self.woken.append(obj["metadata"]["uid"]))


@pytest.fixture
def seen() -> Seen:
    """An empty mirror."""
    return Seen()


def obj(uid: str, version: int, *, name: str = "x", owner: str | None = "e", namespace: str = "n") -> dict[str, Any]:
    """An object of an endpoint, in one version."""
    labels = {OWNER: owner} if owner else {}
    metadata = {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": str(version), "labels": labels}
    return {"metadata": metadata}


def test_what_the_watch_tells_is_known_and_wakes(seen: Seen) -> None:
    seen.mirror.observe("ADDED", obj("u", 1))
    assert seen.mirror.get("n", "x") == obj("u", 1)
    assert seen.mirror.of("e") == (obj("u", 1),)
    assert seen.woken == ["u"]


def test_our_own_write_is_known_at_once_and_its_echo_wakes_nobody(seen: Seen) -> None:
    seen.mirror.wrote(obj("u", 5))
    seen.mirror.observe("ADDED", obj("u", 5))
    assert seen.mirror.get("n", "x") == obj("u", 5)
    assert seen.woken == []


def test_an_echo_that_is_quicker_than_the_answer_wakes_nobody(seen: Seen) -> None:
    with seen.mirror.asking("n", "x"):
        seen.mirror.observe("ADDED", obj("u", 5))
        seen.mirror.wrote(obj("u", 5))
    assert seen.mirror.get("n", "x") == obj("u", 5)
    assert seen.woken == []


def test_what_others_do_while_we_write_wakes_afterwards(seen: Seen) -> None:
    """A later version, a deletion of what was written, and what came of a write that was never answered."""
    with seen.mirror.asking("n", "x"):
        seen.mirror.observe("MODIFIED", obj("u", 6))
        seen.mirror.observe("ADDED", obj("v", 7, name="y"))
        assert seen.woken == ["v"]
        seen.mirror.wrote(obj("u", 5))
    assert seen.woken == ["v", "u"]
    with seen.mirror.asking("n", "x"):
        seen.mirror.wrote(obj("u", 7))
        seen.mirror.observe("DELETED", obj("u", 8))
    assert (seen.mirror.get("n", "x"), seen.woken) == (None, ["v", "u", "u"])
    with suppress(TimeoutError), seen.mirror.asking("n", "x"):
        seen.mirror.observe("ADDED", obj("w", 9))
        raise TimeoutError
    assert (seen.mirror.get("n", "x"), seen.woken[3:]) == (obj("w", 9), ["w"])


def test_a_list_replaces_what_the_watch_told_while_we_write(seen: Seen) -> None:
    with seen.mirror.asking("n", "x"):
        seen.mirror.observe("ADDED", obj("u", 5))
        seen.mirror.replace([])
    assert (seen.mirror.get("n", "x"), seen.woken) == (None, [])


def test_a_deletion_is_not_lost_where_two_write_one_name(seen: Seen) -> None:
    """What the first one's watch told waits for the second one, too."""
    seen.mirror.wrote(obj("u", 5))
    with seen.mirror.asking("n", "x"):
        seen.mirror.observe("DELETED", obj("u", 6))
        with seen.mirror.asking("n", "x"):
            seen.mirror.observe("ADDED", obj("v", 7))
        assert seen.woken == []
    assert (seen.mirror.get("n", "x"), seen.woken) == (obj("v", 7), ["u", "v"])


def test_an_answer_from_before_a_list_brings_nothing_back_that_it_lacks(seen: Seen) -> None:
    """Whether it was known before or has come and gone since we asked."""
    for known in (True, False):
        if known:
            seen.mirror.wrote(obj("u", 5))
        with seen.mirror.asking("n", "x"):
            seen.mirror.replace([], "9")
            seen.mirror.wrote(obj("u", 6))
        assert seen.mirror.get("n", "x") is None


def test_an_answer_from_after_a_list_counts(seen: Seen) -> None:
    """Also one to what is asked after the list came; versions are compared only across what happens at a time."""
    with seen.mirror.asking("n", "x"):
        seen.mirror.replace([], "9")
        seen.mirror.wrote(obj("u", 10))
    with seen.mirror.asking("n", "y"):
        seen.mirror.wrote(obj("v", 8, name="y"))
    assert (seen.mirror.get("n", "x"), seen.mirror.get("n", "y")) == (obj("u", 10), obj("v", 8, name="y"))


def test_of_our_own_write_the_watchs_copy_is_kept(seen: Seen) -> None:
    """The one that whoever watches keeps, too: nothing is in memory twice."""
    echo = obj("u", 2)
    seen.mirror.wrote(obj("u", 2))
    seen.mirror.observe("MODIFIED", echo)
    assert seen.mirror.get("n", "x") is echo


def test_an_event_from_before_our_write_changes_nothing(seen: Seen) -> None:
    seen.mirror.wrote(obj("u", 5))
    seen.mirror.observe("MODIFIED", obj("u", 4))
    assert (seen.mirror.get("n", "x"), seen.woken) == (obj("u", 5), [])


def test_an_answer_that_comes_after_newer_news_changes_nothing(seen: Seen) -> None:
    seen.mirror.observe("MODIFIED", obj("u", 6))
    seen.mirror.wrote(obj("u", 5))
    assert seen.mirror.get("n", "x") == obj("u", 6)


def test_versions_count_as_numbers(seen: Seen) -> None:
    seen.mirror.wrote(obj("u", 9))
    seen.mirror.observe("MODIFIED", obj("u", 10))
    assert seen.mirror.get("n", "x") == obj("u", 10)


def test_a_change_by_others_after_our_write_wakes(seen: Seen) -> None:
    seen.mirror.wrote(obj("u", 5))
    seen.mirror.observe("MODIFIED", obj("u", 6))
    assert seen.woken == ["u"]


def test_what_we_deleted_is_gone_at_once_and_stale_events_do_not_bring_it_back(seen: Seen) -> None:
    seen.mirror.wrote(obj("u", 5))
    seen.mirror.deleted(obj("u", 5))
    seen.mirror.observe("MODIFIED", obj("u", 4))
    seen.mirror.observe("MODIFIED", obj("u", 6))
    assert (len(seen.mirror), seen.mirror.of("e"), seen.woken) == (0, (), [])


def test_the_echo_of_our_deletion_wakes_nobody(seen: Seen) -> None:
    seen.mirror.wrote(obj("u", 5))
    seen.mirror.deleted(obj("u", 5))
    seen.mirror.observe("DELETED", obj("u", 7))
    assert seen.woken == []


def test_an_object_made_anew_after_our_deletion_is_not_taken_away_by_its_echo(seen: Seen) -> None:
    seen.mirror.wrote(obj("u", 5))
    seen.mirror.deleted(obj("u", 5))
    seen.mirror.wrote(obj("v", 8))
    seen.mirror.observe("DELETED", obj("u", 7))
    seen.mirror.observe("ADDED", obj("v", 8))
    assert (seen.mirror.get("n", "x"), seen.woken) == (obj("v", 8), [])


def test_a_deletion_by_others_wakes(seen: Seen) -> None:
    seen.mirror.wrote(obj("u", 5))
    seen.mirror.observe("DELETED", obj("u", 6))
    assert (len(seen.mirror), seen.woken) == (0, ["u"])


def test_another_uid_under_the_same_name_is_news_whatever_its_version(seen: Seen) -> None:
    seen.mirror.observe("ADDED", obj("u", 9))
    seen.mirror.observe("ADDED", obj("v", 3))
    assert (seen.mirror.get("n", "x"), seen.woken) == (obj("v", 3), ["u", "v"])


def test_our_deletion_of_an_object_that_was_replaced_meanwhile_takes_nothing_away(seen: Seen) -> None:
    seen.mirror.observe("ADDED", obj("v", 9))
    seen.mirror.deleted(obj("u", 5))
    assert seen.mirror.get("n", "x") == obj("v", 9)


def test_a_complete_list_tells_what_vanished_what_came_and_what_changed(seen: Seen) -> None:
    for each in (obj("u", 1, name="gone"), obj("v", 2, name="same"), obj("w", 3, name="changed")):
        seen.mirror.wrote(each)
    seen.mirror.replace([obj("v", 2, name="same"), obj("w", 4, name="changed"), obj("x", 5, name="new")])
    assert sorted(seen.woken) == ["u", "w", "x"]
    assert sorted(o["metadata"]["name"] for o in seen.mirror) == ["changed", "new", "same"]


def test_a_complete_list_does_not_take_back_a_newer_write_of_ours(seen: Seen) -> None:
    seen.mirror.wrote(obj("u", 5))
    seen.mirror.replace([obj("u", 4)])
    assert (seen.mirror.get("n", "x"), seen.woken) == (obj("u", 5), [])


def test_an_object_that_changes_hands_wakes_both(seen: Seen) -> None:
    owners: list[str] = []
    mirror = Mirror(lambda o: owners.append(o["metadata"]["labels"].get(OWNER, "nobody")))
    mirror.wrote(obj("u", 1, owner="e"))
    mirror.observe("MODIFIED", obj("u", 2, owner="f"))
    mirror.observe("MODIFIED", obj("u", 3, owner=None))
    assert owners == ["e", "f", "f", "nobody"]
    assert (mirror.of("e"), mirror.of("f")) == ((), ())


def test_an_unlabelled_object_belongs_to_nobody(seen: Seen) -> None:
    seen.mirror.observe("ADDED", obj("u", 1, owner=None))
    assert seen.mirror.get("n", "x") is not None
    assert seen.mirror.of("") == ()


def test_names_are_told_apart_by_namespace(seen: Seen) -> None:
    seen.mirror.observe("ADDED", obj("u", 1, namespace="n"))
    seen.mirror.observe("ADDED", obj("v", 1, namespace="m"))
    assert len(seen.mirror) == 2


def test_a_list_of_one_namespace_says_nothing_about_the_others(seen: Seen) -> None:
    for each in (obj("u", 1, namespace="n"), obj("v", 2, namespace="m"), obj("w", 3, name="y", namespace="n")):
        seen.mirror.wrote(each)
    seen.mirror.replace([obj("w", 3, name="y", namespace="n")], namespace="n")
    assert (seen.mirror.get("n", "x"), seen.mirror.get("m", "x"), seen.woken) == (
        None,
        obj("v", 2, namespace="m"),
        ["u"],
    )


def test_a_list_of_one_namespace_leaves_deletions_in_the_others_awaited(seen: Seen) -> None:
    seen.mirror.wrote(obj("u", 5, namespace="m"))
    seen.mirror.deleted(obj("u", 5, namespace="m"))
    seen.mirror.replace([], namespace="n")
    seen.mirror.observe("MODIFIED", obj("u", 6, namespace="m"))
    assert len(seen.mirror) == 0
