"""The configuration in force: read at the start, read again when the file changes, the last good one kept."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from hookgate.config.load import InvalidConfig
from hookgate.control import settings as settings_module
from hookgate.control.settings import SettingsFile, settings_of
from hookgate.model.endpoint import AuthType
from tests.control.stage import OFFER, platform
from tests.kube.asyncrun import eventually, run

GOOD = platform(more="limits: {maxEndpointsPerNamespace: 1}\n")
BETTER = platform(more="limits: {maxEndpointsPerNamespace: 2}\n")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good configuration file that is looked at often."""
    monkeypatch.setattr(settings_module, "INTERVAL", 0.002)
    path = tmp_path / "hookgate.yaml"
    path.write_text(GOOD)
    return path


class Watched:
    """A file that is being watched."""

    def __init__(self, file: Path) -> None:
        self.settings = SettingsFile(file)
        self.told = 0

    def tell(self) -> None:
        self.told += 1

    def limit(self) -> int:
        """Return the member of the configuration that the tests change."""
        return self.settings.current.config.max_endpoints


def swap(file: Path, content: str | bytes) -> None:
    """Change a file as a whole, so that nobody reads half of it."""
    new = file.with_name("new")
    new.write_bytes(content if isinstance(content, bytes) else content.encode())
    new.rename(file)


def watch(file: Path, *changes: tuple[Callable[[], object], Callable[[Watched], bool]]) -> Watched:
    """Watch the file while it changes; after each change wait until what is given holds."""

    async def scene() -> Watched:
        watched = Watched(file)
        watching = asyncio.create_task(watched.settings.watch(watched.tell))
        for change, holds in changes:
            change()
            await eventually(partial(holds, watched), "the change is seen")
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        return watched

    return run(scene())


def test_without_a_file_nobody_is_allowed_anything() -> None:
    settings = SettingsFile(None)
    assert settings.current.config.hosts == ()
    assert AuthType.NONE not in settings.current.config.allowed_types
    run(settings.watch(lambda: None))


def test_a_file_that_is_bad_from_the_start_is_an_error_that_names_it(file: Path) -> None:
    file.write_text("kind: Nonsense\n")
    with pytest.raises(InvalidConfig, match=r"hookgate\.yaml"):
        SettingsFile(file)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"missing\.yaml"):
        SettingsFile(tmp_path / "missing.yaml")


def test_a_good_change_is_taken_and_told(file: Path) -> None:
    watched = watch(file, (lambda: swap(file, BETTER), lambda w: w.told == 1))
    assert watched.limit() == 2


@pytest.mark.parametrize("bad", ["", "?", "kind: Nonsense\n", platform(OFFER, OFFER), "\x00"])
def test_a_bad_change_keeps_the_last_good_one_and_is_said_once(
    file: Path, bad: str, caplog: pytest.LogCaptureFixture
) -> None:
    watched = watch(
        file,
        (lambda: swap(file, bad), lambda _: "last good configuration stays" in caplog.text),
        (lambda: None, lambda w: (w.limit(), w.told) == (1, 0)),
        (lambda: swap(file, BETTER), lambda w: w.told == 1),
    )
    assert watched.limit() == 2
    assert caplog.text.count("last good configuration stays") == 1


def test_bytes_that_are_no_text_keep_the_last_good_one(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    watched = watch(file, (lambda: swap(file, b"\xff"), lambda _: "last good configuration" in caplog.text))
    assert watched.limit() == 1


def test_a_file_that_vanishes_keeps_the_last_good_one_and_counts_when_it_is_back(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watched = watch(
        file,
        (file.unlink, lambda _: "the last good configuration stays" in caplog.text),
        (lambda: swap(file, BETTER), lambda w: w.told == 1),
    )
    assert watched.limit() == 2


def test_a_link_that_is_swapped_is_a_change_as_in_a_mounted_config_map(file: Path, tmp_path: Path) -> None:
    versions = [tmp_path / "1", tmp_path / "2"]
    for version, text in zip(versions, (GOOD, BETTER), strict=True):
        version.write_text(text)
    link = tmp_path / "link.yaml"
    link.symlink_to(versions[0])

    def relink() -> None:
        (tmp_path / "new").symlink_to(versions[1])
        (tmp_path / "new").rename(link)

    assert watch(link, (relink, lambda w: w.told == 1)).limit() == 2


def test_the_platform_s_own_providers_join_the_built_in_ones() -> None:
    settings = settings_of(
        platform(more="providers: {ours: {scheme: {type: token, header: X-Ours}}}\n"), source="hookgate.yaml"
    )
    assert "ours" in settings.presets.names
    assert "github" in settings.presets.names


def test_an_error_in_a_provider_names_file_and_field() -> None:
    with pytest.raises(InvalidConfig, match=r"hookgate\.yaml: providers\.ours"):
        settings_of(platform(more="providers: {ours: {scheme: {type: nonsense}}}\n"), source="hookgate.yaml")


def test_the_version_is_how_the_checksum_of_the_text_in_force_begins(file: Path) -> None:
    """As sha256sum shows it, also while the file holds a broken text."""
    good, better = (hashlib.sha256(text.encode()).hexdigest()[:12] for text in (GOOD, BETTER))
    settings = SettingsFile(file)
    assert settings.version == good
    for text, version in (("hosts: [", good), (BETTER, better)):
        swap(file, text)
        asyncio.run(settings.look(lambda: None))
        assert settings.version == version
    assert SettingsFile(None).version == "default"
