"""What stands for the platform on one machine: the configuration without a hookgate.yaml, and addresses as options.

It may not know endpoints.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from hookgate.cli.exits import Exit, Stop
from hookgate.config.load import InvalidConfig
from hookgate.config.platform import Exposure, Front, Host, PlatformConfig, ReplayStore
from hookgate.control.reconcile import Settings
from hookgate.control.settings import SettingsFile
from hookgate.model import grammar
from hookgate.model.grammar import split_url
from hookgate.scheme.presets import Presets

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 -- recognised, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen; port 0 lets the system choose."""

    host: str
    port: int

    def url(self, port: int, *, secure: bool = False) -> str:
        """Return the URL that reaches this address from this machine, with the port that it got."""
        host = _ANY_ADDRESS.get(self.host) or (f"[{self.host}]" if ":" in self.host else self.host)
        return f"{'https' if secure else 'http'}://{host}:{port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPlatform(PlatformConfig):
    """One machine's platform: its one host stands for whatever host a manifest names or an older URL had.

    The same files are meant to run on a laptop and in a cluster, and a tunnel's name changes from day to day.
    """

    any_url: bool = False

    def host_for(self, namespace: str, requested: str | None) -> Host | None:  # noqa: ARG002 -- see the class
        """Return the one host."""
        return self.hosts[0]

    def may_target(self, namespace: str, url: str) -> bool:  # noqa: ARG002 -- there is one tenant
        """Tell whether endpoints may have URLs as targets."""
        return self.any_url and split_url(url) is not None


def local_platform(public_url: str, *, any_url: bool) -> PlatformConfig:
    """Return the configuration without a file; ``public_url`` has no path."""
    parts = urlsplit(public_url)
    host = parts.netloc.removesuffix(f":{parts.port}") if parts.port else parts.netloc
    default = {"http": 80, "https": 443}[parts.scheme]
    port = None if parts.port in (None, default) else parts.port
    only = Host(name=host, scheme=parts.scheme, port=port, namespaces=("*",), exposure=Exposure.NONE)
    return LocalPlatform(hosts=(only,), max_endpoints=10_000, any_url=any_url)


class LocalSettings:
    """The settings of `hookgate serve`: those of a file, which is followed, or one host for everybody.

    ``listening`` is set as soon as it is known, before anything is asked.
    """

    def __init__(
        self, *, file: SettingsFile | None, public_url: str | None, any_url: bool, store: str | None = None
    ) -> None:
        """Take a file, or the public URL (None: where the receiver listens) and whether any target is allowed.

        ``store`` is the one that this process uses, whatever a file says of a cluster's receivers.
        """
        self._file, self._public_url, self._any_url = file, public_url, any_url
        self._store = ReplayStore(url=store) if store is not None else None
        self.listening = ""

    @property
    def front(self) -> Front:
        """What stands in front of the receiver, as the file said at the start."""
        return Front() if self._file is None else self._file.current.config.front

    @property
    def denied_targets(self) -> tuple[str, ...]:
        """Where targets may not be, as the file said at the start."""
        return () if self._file is None else self._file.current.config.denied_targets

    def current(self) -> Settings:
        """Return what is in force now. Hosts of a file have no routes: nobody would make them here."""
        if self._file is None:
            config = local_platform(self._public_url or self.listening, any_url=self._any_url)
            return Settings(config=replace(config, replay_store=self._store), presets=Presets.builtin())
        found = self._file.current
        hosts = tuple(replace(host, exposure=Exposure.NONE) for host in found.config.hosts)
        config = replace(found.config, hosts=hosts, replay_store=self._store)
        return Settings(config=config, presets=found.presets)

    async def watch(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` after every good change, until cancelled."""
        if self._file is not None:
            await self._file.watch(changed)
        await asyncio.Event().wait()


def settings_file(path: Path) -> SettingsFile:
    """Open a hookgate.yaml. Raises `Stop`."""
    try:
        return SettingsFile(path)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise Stop(Exit.USAGE, f"--config {path}: cannot be read ({why})") from None
    except InvalidConfig as error:
        raise Stop(Exit.USAGE, str(error)) from None


def address(option: str, text: str) -> Address:
    """Read ``HOST:PORT``. Raises `Stop` naming the option."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise Stop(Exit.USAGE, f"{option} {text}: write HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    return Address(host=host, port=int(port))


def base_url(option: str, text: str) -> str:
    """Read a URL without a path. Raises `Stop` naming the option."""
    try:
        parts = urlsplit(text)
        fine = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        fine = False
    if not fine or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise Stop(Exit.USAGE, f"{option}: write a URL without a path, such as https://hooks.example.com")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def forwards(texts: Iterable[str]) -> dict[tuple[str, str], str]:
    """Read every ``NAMESPACE/SERVICE=URL``. Raises `Stop`."""
    found: dict[tuple[str, str], str] = {}
    for text in texts:
        service, equals, url = text.partition("=")
        namespace, slash, name = service.partition("/")
        names = slash and not grammar.SERVICE_NAME.fault(namespace) and not grammar.SERVICE_NAME.fault(name)
        if not equals or not names:
            raise Stop(
                Exit.USAGE,
                f"--forward {service}: write NAMESPACE/SERVICE=URL, such as default/ci=http://127.0.0.1:3000",
            )
        if split_url(url) is None or "?" in url:
            raise Stop(Exit.USAGE, f"--forward {service}: write an http URL without a query behind the equals sign")
        if (namespace, name) in found:
            raise Stop(Exit.USAGE, f"--forward {service}: given twice; keep one")
        found[namespace, name] = url
    return found


def namespaces(text: str | None) -> tuple[str, ...]:
    """Read ``NS,NS``; None is the whole cluster, but nothing else is. Raises `Stop`."""
    if text is None:
        return ()
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in found:
        if grammar.SERVICE_NAME.fault(name):
            raise Stop(Exit.USAGE, f"--namespaces: {name!r} is no namespace; write names such as team-a,team-b")
    return found
