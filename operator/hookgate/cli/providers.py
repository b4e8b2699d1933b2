"""`hookgate providers`: the senders that are known by name."""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.local import settings_file
from hookgate.cli.tables import table
from hookgate.scheme.presets import Preset, Presets


def presets(config: str | None) -> Presets:
    """Return the presets that are built in, with those of a hookgate.yaml. Raises `Stop`."""
    return Presets.builtin() if config is None else settings_file(Path(config)).current.presets


def run(options: argparse.Namespace) -> int:
    """List all, or show one."""
    known = presets(options.config)
    if options.name is None:
        rows = [_row(preset) for name in known.names if (preset := known.get(name)) is not None]
        print(table(rows, ("NAME", "TYPE", "SECRET", "VERIFIED", "DOCUMENTATION")))
        return Exit.DONE
    preset = known.get(options.name)
    if preset is None:
        raise Stop(Exit.REFUSED, f"{options.name}: no such provider; known are {', '.join(known.names)}")
    print(f"name: {preset.name}\ntype: {preset.type}\nsecret: {_secret(preset)}")
    print(
        f"verified: {_yes(preset.verified)}  # by a test vector that the sender publishes\ndocs: {preset.docs or '-'}"
    )
    print(yaml.safe_dump({"scheme": _plain(preset.scheme)}, sort_keys=False), end="")
    return Exit.DONE


def _row(preset: Preset) -> tuple[str, ...]:
    return (preset.name, preset.type, _secret(preset), _yes(preset.verified), preset.docs or "-")


def _secret(preset: Preset) -> str:
    return "issued by the sender" if preset.issued else f"generated as {preset.form}" if preset.form else "none"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _plain(value: object) -> object:
    """Return what YAML can write: mappings and lists of their own kinds only."""
    if hasattr(value, "items"):
        return {str(key): _plain(member) for key, member in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
