"""What manifest files declare together, and what happens to it while they change, break and vanish."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hookgate.control.cluster import Request
from hookgate.control.files import ManifestFiles, Reading
from hookgate.control.manifests import Claim, read_manifests
from tests.standalone.rig import endpoint

SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: own, labels: {hookgate.dev/webhook: "true"}}
data: {a: YQ==}
stringData: {b: b}
"""


def read(text: str) -> tuple[str, ...]:
    """Return the problems of a file's text."""
    return read_manifests(text, source="f.yaml").problems


def last(files: ManifestFiles) -> Reading:
    """Look until nothing changes any more, and return what was told last."""
    found = [reading for _ in range(4) if (reading := files.poll()) is not None]
    assert files.poll() is None
    return found[-1]


class Looks:
    """A folder that is looked at; files change their time with every write, however fast."""

    def __init__(self, folder: Path) -> None:
        """Look at an empty folder."""
        self.folder = folder
        self._time = 1_000_000_000
        self.files = ManifestFiles([folder])

    def write(self, name: str, text: str) -> Path:
        """Write a file."""
        path = self.folder / name
        path.write_text(text)
        self._time += 1
        os.utime(path, (self._time, self._time))
        return path

    def look(self) -> Reading:
        """Look, at what must have changed."""
        reading = self.files.poll()
        assert reading is not None
        return reading

    def names(self) -> list[str]:
        """Look, and return the names of the endpoints."""
        return sorted(request.name for request in self.look().endpoints)


@pytest.fixture(name="looks")
def _looks(tmp_path: Path) -> Looks:
    """An empty folder."""
    return Looks(tmp_path)


def test_a_file_may_hold_many_documents_and_lists() -> None:
    """Endpoints and Secrets in any order, in the namespace default unless another is named."""
    named = endpoint("b").replace("name: b", "name: b\n  namespace: team")
    listed = '{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "ConfigMap"}]}'
    content = read_manifests("---\n".join((endpoint("a"), SECRET, named, listed)), source="f.yaml")
    assert [(claim.kind, str(claim.request), claim.where) for claim in content.claims] == [
        ("WebhookEndpoint", "default/a", "f.yaml, document 1"),
        ("Secret", "default/own", "f.yaml, document 2"),
        ("WebhookEndpoint", "team/b", "f.yaml, document 3"),
    ]
    assert (content.problems, content.ignored) == ((), ("f.yaml, document 4: v1 ConfigMap",))


def test_a_secret_is_read_as_a_server_reads_it() -> None:
    """stringData joins data."""
    (claim,) = read_manifests(SECRET, source="f.yaml").claims
    assert claim.record.object["data"] == {"a": "YQ==", "b": "Yg=="}
    assert "YQ" not in repr(claim)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: [", "f.yaml: line 1:"),
        ("- a", "f.yaml: not a Kubernetes manifest; write a mapping with apiVersion and kind"),
        ("apiVersion: v1", "f.yaml: kind: every manifest needs apiVersion and kind; add them"),
        (endpoint().replace("WebhookEndpoint", "WebhookEndpont"), "f.yaml: kind: write WebhookEndpoint"),
        (endpoint().replace("v1alpha1", "v9"), "f.yaml: apiVersion: write hookgate.dev/v1alpha1"),
        (endpoint().replace("state:", "stat:"), "f.yaml: spec.stat: remove this field, or correct its name"),
        (endpoint().replace("github", "GitHub"), "f.yaml: spec.auth.provider: write the name of a preset"),
        (endpoint().replace("provider: github", "hmac: {}"), "f.yaml: spec.auth: name a provider"),
        (SECRET.replace("YQ==", "§"), "f.yaml: data.a: not base64; encode the value, or move it to stringData"),
        (SECRET.replace("b: b", "b: 7"), "f.yaml: stringData.b: write a string (put quotes around it"),
        (SECRET.replace("own", "O/n"), "f.yaml: metadata.name: write the name of a Secret"),
        (SECRET + "sops: {}", "f.yaml: sops: this Secret is encrypted; decrypt it first"),
    ],
)
def test_what_is_wrong_is_told_with_file_field_and_remedy(text: str, problem: str) -> None:
    """One line each, and nothing is declared by such a document."""
    problems = read(text)
    assert len(problems) == 1
    assert problems[0].startswith(problem)
    assert read_manifests(text, source="f.yaml").claims == ()


def test_no_problem_repeats_a_value() -> None:
    """What lands in the wrong place may be a secret."""
    told = " ".join(read(SECRET.replace("YQ==", "hunter2!")) + read(endpoint().replace("github", "Hunter2!")))
    assert "unter2" not in told


def test_only_a_change_is_told(looks: Looks) -> None:
    """A second look at the same files says nothing."""
    looks.write("a.yaml", endpoint("a"))
    assert looks.names() == ["a"]
    assert looks.files.poll() is None


def test_hidden_files_other_suffixes_and_folders_are_passed_over(looks: Looks) -> None:
    """Like kubectl apply -f."""
    looks.write("a.yaml", endpoint("a"))
    looks.write("b.json", '{"apiVersion": "v1", "kind": "ConfigMap"}')
    looks.write(".c.yaml", endpoint("c"))
    looks.write("d.txt", endpoint("d"))
    (looks.folder / "e.yaml").mkdir()
    reading = looks.look()
    assert ([q.name for q in reading.endpoints], reading.files) == (["a"], 2)


def test_a_mounted_volume_is_read_through_its_links(looks: Looks) -> None:
    """Files of a ConfigMap are links into a hidden folder, which is swapped as a whole."""
    hidden = looks.folder / "..2026"
    hidden.mkdir()
    (hidden / "a.yaml").write_text(endpoint("a"))
    (looks.folder / "..data").symlink_to(hidden)
    (looks.folder / "a.yaml").symlink_to("..data/a.yaml")
    assert looks.names() == ["a"]


def test_a_good_document_counts_beside_a_bad_one(looks: Looks) -> None:
    """As kubectl applies the good ones; the bad one is told with its place."""
    path = looks.write("a.yaml", endpoint("a") + "---\n" + endpoint("b", state="activ"))
    reading = looks.look()
    assert [q.name for q in reading.endpoints] == ["a"]
    assert reading.problems == (f"{path}, document 2: spec.state: write one of active, inactive, absent",)


def test_a_broken_file_keeps_its_last_good_version(looks: Looks) -> None:
    """With all its endpoints, whatever is missing now, until it is in order."""
    looks.write("a.yaml", endpoint("a") + "---\n" + endpoint("b"))
    assert looks.names() == ["a", "b"]
    path = looks.write("a.yaml", endpoint("a", state="inactive") + "---\n" + endpoint("b", state="activ"))
    reading = looks.look()
    states = {q.name: r.object["spec"]["state"] for q, r in reading.endpoints.items()}
    assert states == {"a": "inactive", "b": "active"}
    assert reading.problems[0].startswith(f"{path}, document 2: spec.state: ")
    assert reading.problems[0].endswith(" -- until then the last good version stays in force: default/b")
    looks.write("a.yaml", endpoint("a"))
    assert looks.names() == ["a"]


def test_an_unreadable_encoding_is_a_broken_file(looks: Looks) -> None:
    """UTF-8 only, with or without a mark."""
    path = looks.folder / "a.yaml"
    path.write_bytes(endpoint("a").encode("utf-8-sig"))
    assert looks.names() == ["a"]
    path.write_bytes(endpoint("a").encode("utf-16"))
    assert looks.look().problems[0].startswith(f"{path}: cannot be read (not UTF-8; save it as UTF-8)")


def test_a_file_that_is_suddenly_empty_keeps_what_it_declared(looks: Looks) -> None:
    """`helm template > a.yaml` leaves it empty for seconds; a comment says that nothing is meant to be in it."""
    looks.write("a.yaml", endpoint("a"))
    assert looks.names() == ["a"]
    path = looks.write("a.yaml", "\n")
    reading = looks.look()
    assert [q.name for q in reading.endpoints] == ["a"]
    assert reading.problems[0].startswith(f"{path}: empty, ")
    assert reading.problems[0].endswith(" -- until then the last good version stays in force: default/a")
    looks.write("a.yaml", "# none\n")
    assert looks.names() == []


def test_a_file_that_never_declared_anything_may_be_empty(looks: Looks) -> None:
    """There is nothing to lose."""
    looks.write("a.yaml", endpoint("a"))
    looks.write("b.yaml", "")
    assert looks.look().problems == ()


def test_a_file_has_to_be_missing_twice(looks: Looks) -> None:
    """Editors remove and rewrite; a deletion cannot be undone."""
    path = looks.write("a.yaml", endpoint("a"))
    assert looks.names() == ["a"]
    path.unlink()
    missing = looks.files.poll()
    assert missing is None or [q.name for q in missing.endpoints] == ["a"]
    assert looks.names() == []


def test_a_file_that_moves_within_the_folder_deletes_nothing(looks: Looks) -> None:
    """Its endpoints have another source, that is all."""
    path = looks.write("a.yaml", endpoint("a"))
    assert looks.names() == ["a"]
    path.rename(looks.folder / "b.yaml")
    told = [reading for _ in range(4) if (reading := looks.files.poll()) is not None]
    assert [([q.name for q in reading.endpoints], reading.problems) for reading in told] == [(["a"], ())]


def test_a_path_that_vanishes_keeps_what_it_declared(tmp_path: Path) -> None:
    """A folder or a single file, until it is back with nothing in it."""
    folder, single = tmp_path / "hooks", tmp_path / "single.yaml"
    folder.mkdir()
    (folder / "a.yaml").write_text(endpoint("a"))
    single.write_text(endpoint("b"))
    files = ManifestFiles([folder, single])
    files.poll()
    folder.rename(tmp_path / "away")
    single.rename(tmp_path / "away.yaml")
    reading = last(files)
    assert sorted(q.name for q in reading.endpoints) == ["a", "b"]
    assert reading.problems == tuple(
        f"{path}: No such file or directory; what it declared stays in force until it is back"
        for path in (folder, single)
    )
    folder.mkdir()
    single.write_text("# none\n")
    reading = last(files)
    assert (dict(reading.endpoints), reading.problems) == ({}, ())


def test_two_files_with_one_name_are_told_and_the_one_in_force_stays(looks: Looks) -> None:
    """Even where the other one would come first by its name."""
    looks.write("b.yaml", endpoint("push"))
    looks.look()
    looks.write("a.yaml", endpoint("push", state="inactive"))
    reading = looks.look()
    (record,) = reading.endpoints.values()
    assert record.source == str(looks.folder / "b.yaml")
    assert reading.problems == (
        f"{looks.folder / 'a.yaml'}: metadata.name: WebhookEndpoint default/push stands in {looks.folder / 'b.yaml'} "
        "already, which stays in force; keep one of them",
    )


def test_of_two_at_the_first_look_the_first_counts(looks: Looks) -> None:
    """Files in the order of their names, documents in the order of the file."""
    looks.write("a.yaml", endpoint("push", state="inactive") + "---\n" + endpoint("push"))
    reading = looks.look()
    (record,) = reading.endpoints.values()
    assert record.object["spec"]["state"] == "inactive"
    assert "a.yaml, document 2: metadata.name: " in reading.problems[0]


def remembered(path: Path, name: str) -> Claim:
    """Return what the last process had in force."""
    (claim,) = read_manifests(endpoint(name), source=str(path)).claims
    return claim


def test_a_file_broken_at_the_start_keeps_what_is_remembered(tmp_path: Path) -> None:
    """A restart forgets nothing."""
    path = tmp_path / "a.yaml"
    path.write_text("kind: [")
    reading = ManifestFiles([tmp_path], remembered=[remembered(path, "a")]).poll()
    assert reading is not None
    assert list(reading.endpoints) == [Request("default", "a")]


def test_a_file_gone_from_its_folder_at_the_start_is_a_deletion(tmp_path: Path) -> None:
    """The folder is there and says so."""
    reading = ManifestFiles([tmp_path], remembered=[remembered(tmp_path / "a.yaml", "a")]).poll()
    assert reading is not None
    assert dict(reading.endpoints) == {}


def test_what_another_path_declared_stays_and_is_told(tmp_path: Path) -> None:
    """Serving another folder with the same state is no wish to delete what the first one declared."""
    elsewhere, folder = tmp_path / "elsewhere" / "a.yaml", tmp_path / "hooks"
    folder.mkdir()
    reading = ManifestFiles([folder], remembered=[remembered(elsewhere, "a")]).poll()
    assert reading is not None
    assert list(reading.endpoints) == [Request("default", "a")]
    assert reading.problems == (
        f"{elsewhere}: not among the paths that are served now; what it declared stays in force: "
        "WebhookEndpoint default/a",
    )


def test_what_another_path_declared_may_move_here(tmp_path: Path) -> None:
    """A renamed folder takes its endpoints along."""
    elsewhere, folder = tmp_path / "elsewhere" / "a.yaml", tmp_path / "hooks"
    folder.mkdir()
    (folder / "a.yaml").write_text(endpoint("a", state="inactive"))
    reading = ManifestFiles([folder], remembered=[remembered(elsewhere, "a")]).poll()
    assert reading is not None
    assert reading.endpoints[Request("default", "a")].object["spec"]["state"] == "inactive"
