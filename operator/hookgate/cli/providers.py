"""`hookgate providers`: the senders that are known by name."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import yaml

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.local import settings_file
from hookgate.cli.setup import declared, steps
from hookgate.cli.tables import table
from hookgate.scheme.descriptor import Descriptor, Origin, Part, PartKind, Place, SchemeType
from hookgate.scheme.grammar import parse
from hookgate.scheme.presets import Preset, Presets

_UNSIGNED = "  # no signature covers it: whoever has one credential can send it with any body"


def presets(config: str | None) -> Presets:
    """Return the presets that are built in, with those of a hookgate.yaml. Raises `Stop`."""
    return Presets.builtin() if config is None else settings_file(Path(config)).current.presets


def run(options: argparse.Namespace) -> int:
    """List all, or show one."""
    known = presets(options.config)
    if options.markdown:
        if options.name is not None:
            raise Stop(Exit.USAGE, "--markdown writes the table of all: leave the name out")
        print(markdown(known))
        return Exit.DONE
    if options.name is None:
        print(table(map(_row, _all(known)), ("NAME", "TYPE", "SECRET", "VERIFIED", "DOCUMENTATION")))
        return Exit.DONE
    preset = known.get(options.name)
    if preset is None:
        raise Stop(Exit.REFUSED, f"{options.name}: no such provider; known are {', '.join(known.names)}")
    print(f"name: {preset.name}\ntype: {preset.type}\nsecret: {_secret(preset)}")
    print(
        f"verified: {_yes(preset.verified)}  # by a test vector that the sender publishes\ndocs: {preset.docs or '-'}"
    )
    body = parse(preset.scheme).covers_body
    print(f"body: {'authenticated' if body else 'not authenticated'}{'' if body else _UNSIGNED}")
    told = {"setup": steps(preset), "auth": declared(preset), "scheme": _plain(preset.scheme)}
    print(yaml.safe_dump(told, sort_keys=False, width=110), end="")
    return Exit.DONE


def markdown(known: Presets) -> str:
    """Return all senders as a Markdown table: who, what proves a call, whose secret it is, and what proves the row."""
    lines = [("Sender", "A call is proved by", "Secret", "Evidence"), ("---",) * 4, *map(_told, _all(known))]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def _all(known: Presets) -> list[Preset]:
    return [preset for name in known.names if (preset := known.get(name)) is not None]


def _told(preset: Preset) -> tuple[str, ...]:
    descriptor = parse(preset.scheme)
    public = descriptor.type is SchemeType.SIGNATURE
    page = f"[its page]({preset.docs})" if preset.docs else "the platform's word"
    return (
        preset.name,
        _proof(descriptor),
        "its public key" if public else "issued by it" if preset.issued else "generated" if preset.form else "none",
        f"{page}, a published vector" if preset.verified else page,
    )


def _proof(descriptor: Descriptor) -> str:
    place = _at(descriptor.source) if descriptor.source is not None else ""
    prefix = f" behind `{descriptor.prefix}`" if descriptor.prefix else ""
    if not descriptor.signs:
        return f"{descriptor.type} in {place}{prefix}" if place else str(descriptor.type)
    message = " + ".join(_part(part) for part in descriptor.message)
    algorithm = descriptor.algorithm.value
    how = algorithm if descriptor.type is SchemeType.SIGNATURE else f"HMAC-{algorithm.upper()}"
    rule = descriptor.timestamp
    window = f"; within {rule.tolerance} s" if rule is not None and rule.enforce else ""
    digest = f", the body's hash in {_at(descriptor.body_digest.place)}" if descriptor.body_digest is not None else ""
    return f"{how} of `{message}` as {descriptor.encoding} in {place}{prefix}{digest}{window}"


def _at(place: Place) -> str:
    match place.origin:
        case Origin.HEADER | Origin.ANY_HEADER:
            return " or ".join(f"`{name}`" for name in place.headers)
        case Origin.NUMBERED:
            return f"`{place.name}1` and following"
        case _:
            return f"{place.origin} `{place.name}`"


def _part(part: Part) -> str:
    match part.kind:
        case PartKind.LITERAL:
            return json.dumps(part.text)
        case PartKind.JSON | PartKind.JSON_OR_EMPTY:
            return part.text.rpartition(".")[2]
        case PartKind.URL_HUBSPOT:
            return PartKind.URL.value
        case _:
            return part.text or part.kind.value


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
