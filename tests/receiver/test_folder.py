"""A folder as the source of bindings."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from hookgate.model.binding import Binding, encode
from hookgate.receiver.source import FolderSource
from hookgate.receiver.table import BindingTable
from tests.receiver.rig import make_binding

TARGET = "http://127.0.0.1:9/"
ONE, TWO = make_binding(1, TARGET), make_binding(2, TARGET)


class Folder:
    """A folder, the source that follows it, and its table."""

    def __init__(self, path: Path) -> None:
        """Follow ``path``."""
        self.path, self.table, self.source = path, BindingTable(), FolderSource(path)

    def write(self, binding: Binding) -> None:
        """Write a binding in place."""
        (self.path / f"{binding.uid}.json").write_bytes(encode(binding))

    def served(self) -> set[str]:
        """Poll once; return the uids in force."""
        asyncio.run(self.source.poll(self.table))
        return {uid for uid in ("uid-1", "uid-2") if self.table.digest(uid)}


def test_the_first_look_loads_the_whole_folder(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write(ONE)
    folder.write(TWO)
    assert (folder.served(), folder.table.loaded) == ({"uid-1", "uid-2"}, True)


def test_an_empty_folder_is_a_full_table(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert (folder.served(), folder.table.loaded) == (set(), True)


def test_new_changed_and_removed_files_are_followed(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write(ONE)
    folder.served()
    before = folder.table.digest("uid-1")
    folder.write(make_binding(1, TARGET + "changed"))
    folder.write(TWO)
    after = folder.served()
    changed = folder.table.digest("uid-1") != before
    (tmp_path / "uid-1.json").unlink()
    assert (after, changed, folder.served()) == ({"uid-1", "uid-2"}, True, {"uid-2"})


def test_a_file_that_is_moved_into_place_is_seen(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.served()
    (tmp_path / ".uid-1.json.tmp").write_bytes(encode(ONE))
    between = folder.served()
    (tmp_path / ".uid-1.json.tmp").rename(tmp_path / "uid-1.json")
    assert (between, folder.served()) == (set(), {"uid-1"})


def test_a_broken_file_takes_out_its_own_endpoint_until_it_is_mended(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write(ONE)
    folder.write(TWO)
    folder.served()
    (tmp_path / "uid-1.json").write_bytes(encode(ONE)[:-1])
    broken = folder.served()
    folder.write(ONE)
    assert (broken, folder.served()) == ({"uid-2"}, {"uid-1", "uid-2"})


def test_a_file_under_another_uid_is_not_served(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "uid-2.json").write_bytes(encode(ONE))
    assert folder.served() == set()


def test_a_directory_or_an_enormous_file_harms_nobody(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write(TWO)
    (tmp_path / "uid-1.json").mkdir()
    (tmp_path / "uid-3.json").write_bytes(b" " * 1_100_000)
    assert folder.served() == {"uid-2"}


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "README.md").write_text("x")
    (tmp_path / ".hidden.json").write_text("x")
    folder.served()
    assert sum(folder.table.troubles.values()) == 0


def test_a_folder_that_goes_away_leaves_the_table_in_force(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "bindings")
    folder.path.mkdir()
    folder.write(ONE)
    folder.served()
    folder.path.rename(tmp_path / "elsewhere")
    assert folder.served() == {"uid-1"}


def test_a_folder_that_never_was_is_no_full_table(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "nowhere")
    assert (folder.served(), folder.table.loaded) == (set(), False)


def failing_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the next file that is opened fail as a network's file system does."""
    opening = Path.open

    def fail(*_: object, **__: object) -> None:
        monkeypatch.setattr(Path, "open", opening)
        raise OSError(errno.ESTALE, "stale")

    monkeypatch.setattr(Path, "open", fail)


def changed_unread(path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A folder whose one binding is served and has changed since, and fails to be read at the next look."""
    folder = Folder(path)
    folder.write(ONE)
    folder.served()
    folder.write(make_binding(1, TARGET + "changed"))
    failing_once(monkeypatch)
    return folder


def test_a_file_that_fails_to_be_read_leaves_its_endpoint_as_it_was_and_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = changed_unread(tmp_path, monkeypatch)
    before = folder.table.digest("uid-1")
    meanwhile = folder.served(), folder.table.digest("uid-1") == before
    assert (meanwhile, folder.served(), folder.table.digest("uid-1") == before) == (({"uid-1"}, True), {"uid-1"}, False)


def test_a_file_that_fails_at_the_first_look_is_read_at_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path)
    folder.write(ONE)
    failing_once(monkeypatch)
    assert (folder.served(), folder.served()) == (set(), {"uid-1"})


def test_a_file_that_failed_to_be_read_and_then_goes_takes_its_endpoint_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = changed_unread(tmp_path, monkeypatch)
    meanwhile = folder.served()
    (tmp_path / "uid-1.json").unlink()
    assert (meanwhile, folder.served()) == ({"uid-1"}, set())
