"""The commands beside a running `hookgate serve`: look, change, send."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from hookgate.cli.main import main
from tests.standalone.rig import Serve, Target, endpoint, target, until

Run = Callable[..., tuple[int, str, str]]
BODY = b'{"ref": "main"}'
ASKS = {
    "header": "X-Signature",
    "handshake": [
        {"method": "POST", "when": [{"json": "ref", "is": "main"}], "value": {"json": "ref"}, "answer": {"text": {}}}
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A serving process and its target."""

    serve: Serve
    target: Target
    body: Path


@pytest.fixture(name="place", scope="module")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Two endpoints: one of them never activated. One process for the whole module; each test leaves it as it was."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "body.json").write_bytes(BODY)
    with target() as ci:
        serve = Serve(folder, "--forward", f"default/ci={ci.url}")
        serve.write("push.yaml", endpoint())
        serve.write("idle.yaml", endpoint("idle", state="inactive"))
        token = endpoint("gitlab").replace("hmac", "token").replace("github", "gitlab")
        serve.write("gitlab.yaml", token)
        with serve:
            serve.ready()
            yield Place(serve=serve, target=ci, body=folder / "body.json")


@pytest.fixture(name="run")
def _run(place: Place, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command on the state; returns exit code, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main([*arguments, "--state-dir", str(place.serve.state)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_get_shows_all_endpoints_as_a_table(run: Run, place: Place) -> None:
    """With what a sender's settings need, but no secret."""
    code, out, errors = run("get")
    rows = [line.split() for line in out.splitlines()]
    assert (code, errors, [row[1] for row in rows]) == (0, "", ["NAME", "gitlab", "idle", "push"])
    assert rows[2] == ["default", "idle", "inactive", "True", "Inactive", "-", "-"]
    assert rows[3] == ["default", "push", "active", "True", "Active", "X-Hub-Signature-256", place.serve.ready()["url"]]


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_get_gives_objects_to_programs(run: Run, form: str, read: Callable[[str], object], place: Place) -> None:
    """One object for a name, a list for all."""
    one, every = read(run("get", "push", "-o", form)[1]), read(run("get", "-o", form)[1])
    assert one == place.serve.object()
    assert isinstance(every, dict)
    assert (every["kind"], len(every["items"])) == ("WebhookEndpointList", 3)


def test_an_unknown_name_is_told(run: Run, place: Place) -> None:
    """With where it was looked for."""
    assert run("get", "pusch") == (
        1,
        "",
        f"hookgate: default/pusch: no such endpoint in {place.serve.state}; see `hookgate get`\n",
    )


def test_a_namespace_limits_what_is_shown(run: Run) -> None:
    """And may have nothing."""
    assert run("get", "-n", "team") == (0, "", "no endpoints\n")


def test_url_and_secret_print_just_that(run: Run, place: Place) -> None:
    """To be used in scripts, or copied."""
    assert run("url", "push") == (0, place.serve.ready()["url"] + "\n", "")
    assert run("secret", "push") == (0, place.serve.secret().decode() + "\n", "")
    assert run("secret", "gitlab") == (0, place.serve.secret("gitlab-webhook", "token").decode() + "\n", "")


def test_an_endpoint_that_was_never_active_has_no_url(run: Run) -> None:
    """And the command to get one is told."""
    assert run("url", "idle") == (
        1,
        "",
        "hookgate: default/idle: has no URL; it is made at the first activation: hookgate activate idle\n",
    )


@pytest.mark.parametrize("name", ["push", "gitlab"])
def test_send_is_accepted_like_the_sender(run: Run, place: Place, name: str) -> None:
    """Signature or token; the body arrives byte for byte."""
    before = len(place.target.taken)
    assert run("send", name, "--data", str(place.body)) == (0, "202 accepted: authentic, and taken by the target\n", "")
    assert place.target.taken[before:] == [("/in", BODY)]


def test_send_does_not_claim_that_the_target_took_what_was_answered_here(run: Run, place: Place) -> None:
    """A handshake gets 200 as many a delivery does, and nothing else tells them apart."""
    place.serve.write("asks.yaml", endpoint("asks").replace("provider: github", "hmac: " + json.dumps(ASKS)))
    place.serve.ready("asks")
    before = len(place.target.taken)
    code, out, _ = run("send", "asks", "--data", str(place.body))
    assert (code, out) == (0, "200 accepted: taken by the target, or answered here as a handshake or as a repetition\n")
    assert len(place.target.taken) == before
    (place.serve.hooks / "asks.yaml").unlink()
    until(lambda: "asks" not in run("get")[1], "the endpoint is gone")


@pytest.mark.parametrize("name", ["push", "gitlab"])
def test_send_spoils_a_call_on_request(run: Run, place: Place, name: str) -> None:
    """Whatever the scheme, it is refused and does not arrive."""
    before = len(place.target.taken)
    code, out, _ = run("send", name, "--data", str(place.body), "--tamper")
    assert (code, out.split(" ")[0], len(place.target.taken)) == (1, "401", before)


def test_send_takes_another_secret_from_a_file(run: Run, place: Place, tmp_path: Path) -> None:
    """With the newline that editors leave."""
    (tmp_path / "good").write_bytes(place.serve.secret() + b"\n")
    (tmp_path / "bad").write_text("another secret of some length")
    codes = [
        run("send", "push", "--data", str(place.body), "--secret-file", str(tmp_path / f))[0] for f in ("good", "bad")
    ]
    assert codes == [0, 1]


def test_send_says_when_nobody_listens(run: Run, place: Place) -> None:
    """Exit code 4, and not the path of the URL."""
    code, out, errors = run("send", "push", "--data", str(place.body), "--via", "http://127.0.0.1:9")
    assert (code, out, errors) == (4, "", "hookgate: http://127.0.0.1:9: unreachable (Connection refused)\n")


def test_send_says_what_is_wrong_with_its_options(run: Run, tmp_path: Path) -> None:
    """Exit code 2."""
    missing = str(tmp_path / "none")
    assert run("send", "push", "--data", missing) == (2, "", f"hookgate: --data {missing}: No such file or directory\n")
    assert run("send", "push", "--data", __file__, "--header", "no colon")[0] == 2
    assert run("send", "push", "--data", __file__, "--secret-file", missing)[0] == 2


def test_no_failure_of_a_command_tells_a_secret_or_a_url(run: Run, place: Place) -> None:
    """Messages end up in tickets."""
    told = "".join(
        "".join(run("send", "push", "--data", str(place.body), *more)[1:])
        for more in (["--tamper"], ["--via", "http://127.0.0.1:9"], [])
    )
    segment = str(place.serve.ready()["url"]).rpartition("/")[2]
    assert [s for s in (place.serve.secret().decode(), segment) if s in told] == []


def test_deactivate_and_activate_change_the_file_and_wait(run: Run, place: Place) -> None:
    """Calls are refused, then taken again, at the same URL with the same secret; the file keeps its comment."""
    url, path = place.serve.ready()["url"], place.serve.hooks / "push.yaml"
    assert run("deactivate", "push", "--yes") == (0, "default/push is inactive\n", "")
    assert "state: inactive  # why it is so\n" in path.read_text()
    assert run("send", "push", "--data", str(place.body))[1].startswith("503 ")
    assert run("activate", "push") == (0, f"default/push is active\nURL:    {url}\nHeader: X-Hub-Signature-256\n", "")
    assert path.read_text() == endpoint()
    assert run("send", "push", "--data", str(place.body))[0] == 0


def test_an_activation_that_is_there_already_is_told_the_same_way(run: Run, place: Place) -> None:
    """The command says what is, not what it did."""
    assert run("activate", "push")[1].startswith("default/push is active\nURL: ")


@pytest.mark.parametrize("command", ["deactivate", "deconfigure"])
def test_nothing_is_refused_or_lost_without_a_yes(run: Run, place: Place, command: str) -> None:
    """A script has to say it; nothing changes."""
    code, out, errors = run(command, "push")
    assert (code, out, "add --yes" in errors) == (2, "", True)
    assert (place.serve.hooks / "push.yaml").read_text() == endpoint()


def test_deconfigure_takes_secret_and_url(run: Run, place: Place) -> None:
    """For good: what comes afterwards is new."""
    place.serve.write("gone.yaml", endpoint("gone"))
    before = place.serve.ready("gone")["url"]
    assert run("deconfigure", "gone", "--yes") == (0, "default/gone is absent\n", "")
    assert place.serve.object("gone-webhook", "secrets") is None
    assert run("activate", "gone")[0] == 0
    assert place.serve.ready("gone")["url"] != before
    (place.serve.hooks / "gone.yaml").unlink()
    until(lambda: place.serve.object("gone") is None, "the deletion")


def test_a_change_that_cannot_come_true_is_told_at_once(run: Run, place: Place) -> None:
    """A terminal finding ends the waiting."""
    place.serve.write("bad.yaml", endpoint("bad", state="inactive").replace("github", "nobody"))
    until(lambda: place.serve.object("bad"), "the endpoint")
    code, out, errors = run("activate", "bad")
    assert (code, out) == (1, "")
    assert errors.startswith("hookgate: default/bad: UnknownProvider: ")
    (place.serve.hooks / "bad.yaml").unlink()
    until(lambda: place.serve.object("bad") is None, "the deletion")


def test_a_file_that_cannot_be_edited_is_told_with_the_change_to_make(run: Run, place: Place) -> None:
    """Exit code 3, before anybody is asked to confirm."""
    path = place.serve.write("odd.yaml", endpoint("odd").replace("auth:", "auth: &auth") + "    timeout: &t 5s\n")
    place.serve.ready("odd")
    path.write_text(path.read_text().replace("state: active", "state: active\n  secretName: *t").replace("&t", "&t "))
    code, _, errors = run("deactivate", "odd")
    assert code == 3
    assert "change it by hand, in the WebhookEndpoint default/odd:\n\nspec:\n  state: inactive\n" in errors
    path.unlink()
    until(lambda: place.serve.object("odd") is None, "the deletion")


def test_without_a_running_serve_a_change_is_declared_and_said_to_wait(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is changed; it is in force when somebody serves it."""
    serve = Serve(tmp_path, "--forward", "default/ci=http://127.0.0.1:9")
    path = serve.write("push.yaml", endpoint())
    with serve:
        serve.ready()
        serve.stop()
    assert main(["deactivate", "push", "--yes", "--state-dir", str(serve.state)]) == 0
    assert capsys.readouterr().out == "default/push: declared inactive; in force when `hookgate serve` runs again\n"
    assert path.read_text() == endpoint(state="inactive")
    assert main(["get", "--state-dir", str(serve.state)]) == 0
    assert "nothing is served now: no `hookgate serve` runs" in capsys.readouterr().err


def test_a_state_folder_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A typing error is not an empty state."""
    assert main(["get", "--state-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"hookgate: --state-dir {tmp_path}: no state of `hookgate serve`")


def test_state_folder_and_cluster_exclude_each_other(run: Run) -> None:
    """Which of them was meant?"""
    assert run("get", "--context", "x")[0] == 2


def test_the_folder_of_the_current_directory_is_found(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where serve was started with its defaults, the commands need no option."""
    (tmp_path / ".hookgate").symlink_to(place.serve.state)
    monkeypatch.chdir(tmp_path)
    assert main(["url", "push"]) == 0
    assert capsys.readouterr().out.startswith("http://127.0.0.1:")


def test_providers_lists_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line begins with the name."""
    assert main(["providers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == "NAME"
    assert {"github", "gitlab"} <= {line.split()[0] for line in lines}
    assert next(" ".join(line.split()[:-1]) for line in lines if line.startswith("github ")) == (
        "github hmac generated as hex32 yes"
    )


def test_providers_shows_one_in_detail(capsys: pytest.CaptureFixture[str]) -> None:
    """As YAML, to copy from."""
    assert main(["providers", "gitlab"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert (shown["name"], shown["scheme"]["header"]) == ("gitlab", "X-Gitlab-Token")
    assert main(["providers", "nobody"]) == 1


def test_the_private_port_serves_probes(tmp_path: Path) -> None:
    """A supervisor may ask."""
    serve = Serve(tmp_path, "--private-listen", "127.0.0.1:0")
    serve.write("push.yaml", endpoint())
    with serve:
        where = serve.out.splitlines()[0].rpartition("probes on http://")[2].removesuffix(".")
        caller = http.client.HTTPConnection(where, timeout=5)
        caller.request("GET", "/readyz")
        assert caller.getresponse().status == 200
        caller.close()
