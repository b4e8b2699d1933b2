"""The URL of a store that receivers share."""

from __future__ import annotations

import pytest

from hookgate.model.store import InvalidStore, StoreAddress, parse_store


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("redis://redis", StoreAddress(host="redis", port=6379, tls=False, database=0)),
        ("redis://redis/", StoreAddress(host="redis", port=6379, tls=False, database=0)),
        ("redis://10.0.0.7:7000/3", StoreAddress(host="10.0.0.7", port=7000, tls=False, database=3)),
        ("rediss://redis.example:6380", StoreAddress(host="redis.example", port=6380, tls=True, database=0)),
        ("redis://[fd00::7]:6379", StoreAddress(host="fd00::7", port=6379, tls=False, database=0)),
    ],
)
def test_a_store_is_named_by_a_url(url: str, found: StoreAddress) -> None:
    assert parse_store(url) == found


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis",
        "redis:",
        "redis://",
        "redis://:6379",
        "redis://redis:0",
        "redis://redis:65536",
        "redis://redis:port",
        "redis://redis/name",
        "redis://redis/1/2",
        "redis://redis?ssl=true",
        "redis://redis#a",
        "redis://re dis",
        "redis://redis,other",
        "http://redis",
        "nats://nats:4222",
    ],
)
def test_anything_else_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(InvalidStore, match="redis:// or rediss://"):
        parse_store(url)


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidStore) as refused:
        parse_store("redis://user:canary@redis:6379")
    assert "Secret" in str(refused.value)
    assert "canary" not in str(refused.value)
