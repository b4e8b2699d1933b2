"""The options that name the store that receivers share, of `hookgate receiver` and `hookgate serve`."""

from __future__ import annotations

import argparse
from pathlib import Path

from hookgate.cli.exits import Exit, Stop
from hookgate.model.store import InvalidStore, StoreAddress, parse_store


def add_store(command: argparse.ArgumentParser) -> None:
    """Add them."""
    command.add_argument(
        "--replay-store",
        metavar="URL",
        help="a Redis or Valkey in which receivers share what calls came: redis://HOST:PORT, rediss:// for TLS",
    )
    command.add_argument(
        "--replay-store-secret",
        metavar="DIR",
        help="a folder with what it takes to be let in: username, password, ca.crt",
    )


def store_of(options: argparse.Namespace) -> tuple[StoreAddress | None, Path | None]:
    """Return the store and the folder. Raises `Stop`."""
    if options.replay_store is None:
        if options.replay_store_secret is not None:
            raise Stop(Exit.USAGE, "--replay-store-secret: of which store? Name it with --replay-store")
        return None, None
    try:
        address = parse_store(options.replay_store)
    except InvalidStore as error:
        raise Stop(Exit.USAGE, f"--replay-store: {error}") from None
    folder = Path(options.replay_store_secret) if options.replay_store_secret else None
    if folder is not None and not folder.is_dir():
        raise Stop(Exit.USAGE, f"--replay-store-secret {folder}: no such folder")
    return address, folder
