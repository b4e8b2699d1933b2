"""The store that receivers share, in hookgate.yaml."""

from __future__ import annotations

from typing import Any

import pytest

from hookgate.config.platform import ReplayStore
from tests.config.test_load import errors, parsed


def test_without_a_store_every_receiver_remembers_for_itself() -> None:
    assert parsed().replay_store is None
    assert parsed(replay={}).replay_store is None


def test_a_store_is_named_with_the_secret_that_lets_receivers_in() -> None:
    store = {"url": "rediss://redis.example:6380/1", "secretName": "redis"}
    assert parsed(replay={"store": store}).replay_store == ReplayStore(
        url="rediss://redis.example:6380/1", secret="redis"
    )


def test_a_store_may_let_everybody_in() -> None:
    assert parsed(replay={"store": {"url": "redis://redis"}}).replay_store == ReplayStore(url="redis://redis")


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"replay": {"store": {}}}, "replay.store.url: add this field; it is required"),
        (
            {"replay": {"store": {"url": "redis"}}},
            "replay.store.url: not the address of a store; write redis:// or rediss:// (TLS), a host, and at most a "
            "port and the number of a database",
        ),
        (
            {"replay": {"store": {"url": "redis://user:canary@redis"}}},
            "replay.store.url: not the address of a store; leave user and password out of the URL; they belong into a "
            "Secret",
        ),
        (
            {"replay": {"store": {"url": "redis://redis", "secretName": "A"}}},
            'replay.store.secretName: not the name of a Secret; write lower-case letters, digits, "-" and "."',
        ),
    ],
)
def test_a_mistake_is_told_with_its_field_and_never_with_a_password(members: dict[str, Any], error: str) -> None:
    assert errors(**members) == [error]
