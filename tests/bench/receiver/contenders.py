"""Everybody who is measured, and what they need: started once, each on its core, idle until its turn."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from hookgate.receiver.settings import Edge
from tests.bench.receiver import world
from tests.bench.receiver.machine import Missing, Process, cores, free_ports, listens, until
from tests.kube.pki import Authority

PEERS = Path(__file__).parent / "peers"
ROOT = Path(__file__).parents[3]
ENDPOINTS, FEW_ENDPOINTS = 10_000, 10
#: What nginx answers as a body where it stands in for a target: as little as targets say.
_NGINX = """
daemon off; worker_processes {workers}; error_log /dev/null; pid {folder}/{name}.pid;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300; client_max_body_size 0;
  client_body_buffer_size 2m; proxy_buffering on; proxy_request_buffering on;
  client_body_temp_path {folder}/{name}.1; proxy_temp_path {folder}/{name}.2; fastcgi_temp_path {folder}/{name}.3;
  uwsgi_temp_path {folder}/{name}.4; scgi_temp_path {folder}/{name}.5;
  {body}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Somebody who is measured: where it listens and which processes it consists of."""

    title: str
    ports: tuple[int, ...]
    processes: tuple[Process, ...]

    def cpu(self) -> float:
        """Return the CPU seconds used so far."""
        return sum(process.cpu() for process in self.processes)


class Contest:
    """The target and all contenders. ``processes`` are to be ended by the caller, whatever happens."""

    def __init__(self, folder: Path) -> None:
        """Nothing runs before `start`."""
        self._folder = folder
        self.processes: list[Process] = []
        self.contenders: dict[str, Contender] = {}
        self.target: Contender
        self.load = folder / "load"
        self._core, self._other = cores()
        self._ca = folder / "ca.crt"
        self._certificate, self._key = folder / "target.crt", folder / "target.key"
        self._compiled = folder / "operator"

    def start(self) -> None:
        """Build the peers and start everybody. Raises `Missing`."""
        self._build()
        self._start_target()
        target, secure = (f"{s}://127.0.0.1:{p}/ci" for s, p in zip(("http", "https"), self.target.ports, strict=True))
        self._start_receivers(target, secure)
        self._start_go(target, secure)
        self._start_nginx(target, secure)
        self._start_webhook()
        until(
            lambda: all(listens(p) for c in self.contenders.values() for p in c.ports), "all to listen", self.processes
        )

    def _build(self) -> None:
        shutil.copytree(ROOT / "operator", self._compiled, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "crds", self._folder / "crds")
        log = (self._folder / "compile.log").open("wb")
        with log:
            done = subprocess.run(
                [str(ROOT / ".ci" / "compile"), str(self._compiled), sys.executable],
                stdout=log,
                stderr=log,
                check=False,
            )
        if done.returncode:
            said = (self._folder / "compile.log").read_text(errors="replace")[-2000:]
            raise Missing(f"compiling the receiver failed; Debian has headers in python3-dev:\n{said}")
        for peer in ("load", "proxy"):
            command = ["go", "build", "-trimpath", "-o", str(self._folder / peer), f"./{peer}"]
            subprocess.run(command, cwd=PEERS, check=True)

    def _run(self, *command: str, on: tuple[int, ...] | None = None, source: bool = False) -> Process:
        code = ROOT / "operator" if source else self._compiled
        process = Process(
            command,
            on=on or (self._core,),
            folder=self._folder,
            SSL_CERT_FILE=str(self._ca),
            PYTHONPATH=f"{code}:{ROOT}",
        )
        self.processes.append(process)
        return process

    def _start_target(self) -> None:
        plain, secure = free_ports(2)
        Authority(self._folder).issue("target")
        answer = 'location / { default_type text/plain; return 202 "taken"; }'
        body = f"server {{ {self._listen(plain)} {answer} }}\nserver {{ {self._listen(secure, tls=True)} {answer} }}"
        process = self._nginx("target", body, on=(self._other,))
        self.target = Contender(title="target", ports=(plain, secure), processes=(process,))
        until(lambda: listens(plain) and listens(secure), "the target to listen", [process])

    def _nginx(self, name: str, body: str, *, workers: int = 1, on: tuple[int, ...] | None = None) -> Process:
        file = self._folder / f"{name}.conf"
        file.write_text(_NGINX.format(folder=self._folder, name=name, body=body, workers=workers))
        return self._run("nginx", "-c", str(file), "-e", "/dev/null", on=on)

    def _listen(self, port: int, *, tls: bool = False) -> str:
        plain = f"listen 127.0.0.1:{port} {'ssl ' if tls else ''}backlog=4096;"
        if not tls:
            return plain
        files = f"ssl_certificate {self._certificate}; ssl_certificate_key {self._key};"
        return f"{plain} ssl_protocols TLSv1.2 TLSv1.3; {files}"

    def _start_receivers(self, target: str, secure: str) -> None:
        counts = (FEW_ENDPOINTS, ENDPOINTS)
        module = (sys.executable, "-m", "tests.bench.receiver.origin")
        self._run(*module, str(self._folder), target, secure, *map(str, counts), on=(self._other,))
        until((self._folder / f"kubeconfig.{counts[-1]}").exists, "the origin of bindings", self.processes)
        both = (self._core, self._other)
        self._receiver("hookgate", "Hookgate", ENDPOINTS)
        self._receiver("hookgate-source", "Hookgate, not compiled", ENDPOINTS, source=True)
        self._receiver("hookgate-uvicorn", "Hookgate on uvicorn", ENDPOINTS, edge=Edge.UVICORN)
        self._receiver("hookgate-10", f"Hookgate, {FEW_ENDPOINTS} endpoints", FEW_ENDPOINTS)
        self._receiver("hookgate-tls", "Hookgate", ENDPOINTS, tls=True)
        self._receiver("hookgate-2", "Hookgate, 2 workers", ENDPOINTS, workers=2, on=both)

    def _receiver(
        self,
        name: str,
        title: str,
        count: int,
        *,
        edge: Edge = Edge.LEAN,
        workers: int = 1,
        on: tuple[int, ...] | None = None,
        source: bool = False,
        tls: bool = False,
    ) -> None:
        ports = free_ports(workers)
        module = (sys.executable, "-m", "tests.bench.receiver.serve", str(self._folder / f"kubeconfig.{count}"))
        files = (str(self._certificate), str(self._key)) if tls else ()
        processes = tuple(self._run(*module, str(port), edge, *files, on=on, source=source) for port in ports)
        self.contenders[name] = Contender(title=title, ports=tuple(ports), processes=processes)
        until(lambda: all(ready(port + 1) for port in ports), f"{title} to be ready", processes)

    def _start_go(self, target: str, secure: str) -> None:
        paths = self._folder / "paths"
        paths.write_text("".join(world.path(number) + "\n" for number in range(ENDPOINTS)))
        tls = ("-certificate", str(self._certificate), "-key", str(self._key))
        for name, title, to, on, more in (
            ("go-answer", "Go net/http", "", None, ()),
            ("go-proxy", "Go ReverseProxy", target, None, ()),
            ("go-proxy-tls", "Go ReverseProxy", target, None, tls),
            ("go-proxy-tls-target", "Go ReverseProxy", secure, None, ()),
            ("go-proxy-2", "Go ReverseProxy, 2 workers", target, (self._core, self._other), ()),
        ):
            (port,) = free_ports(1)
            listen = ("-listen", f"127.0.0.1:{port}", "-paths", str(paths), "-secret", world.SECRET)
            process = self._run(str(self._folder / "proxy"), *listen, "-target", to, *more, on=on)
            self.contenders[name] = Contender(title=title, ports=(port,), processes=(process,))

    def _start_nginx(self, target: str, secure: str) -> None:
        both = (self._core, self._other)
        for name, title, scheme, where, workers, on in (
            ("nginx-proxy", "nginx proxy_pass, no check", "http", target, 1, None),
            ("nginx-proxy-tls", "nginx proxy_pass, no check", "http", target, 1, None),
            ("nginx-proxy-tls-target", "nginx proxy_pass, no check", "https", secure, 1, None),
            ("nginx-proxy-2", "nginx proxy_pass, no check, 2 workers", "http", target, 2, both),
        ):
            (port,) = free_ports(1)
            place = where.split("/")[2]
            verify = f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {self._ca}; proxy_ssl_name target;"
            body = (
                f"upstream target {{ server {place}; keepalive 1024; keepalive_requests 1000000000; }}\n"
                f"server {{ {self._listen(port, tls=name.endswith('-tls'))} location / {{ proxy_pass {scheme}://target/ci;"
                f' proxy_http_version 1.1; proxy_set_header Connection ""; {verify if scheme == "https" else ""} }} }}'
            )
            process = self._nginx(name, body, workers=workers, on=on)
            self.contenders[name] = Contender(title=title, ports=(port,), processes=(process,))
        (port,) = free_ports(1)
        body = f"server {{ {self._listen(port)} location / {{ return 401; }} }}"
        process = self._nginx("nginx-return", body)
        self.contenders["nginx-return"] = Contender(title="nginx return", ports=(port,), processes=(process,))

    def _start_webhook(self) -> None:
        signed = {"source": "header", "name": world.HEADER}
        rule = {"match": {"type": "payload-hmac-sha256", "secret": world.SECRET, "parameter": signed}}
        hook = {
            "id": world.segment(world.CALLED),
            "execute-command": shutil.which("true"),
            "trigger-rule": {"or": [rule]},
            "trigger-rule-mismatch-http-response-code": 401,
            "trigger-signature-soft-failures": True,  # below an `or`, a wrong signature is a mismatch and no error
        }
        file = self._folder / "hooks.json"
        file.write_text(json.dumps([hook]))
        (port,) = free_ports(1)
        process = self._run("webhook", "-hooks", str(file), "-ip", "127.0.0.1", "-port", str(port), "-urlprefix", "h")
        self.contenders["webhook"] = Contender(title="webhook", ports=(port,), processes=(process,))


def ready(port: int) -> bool:
    """Tell whether the receiver with this private port serves what it knows of."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
