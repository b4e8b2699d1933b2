"""containerd on folders of its own, pod networking by the CNI plugins, and images from archives.

It knows of images and containers; of Kubernetes only the namespace in which containerd keeps its containers.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.processes import Server, Watchdog, wait_until
from tests.node.addresses import PODS

CNI_PLUGINS = Path("/usr/lib/cni")
PAUSE_IMAGE = "localhost/pause:v1"
_NAMESPACE = "k8s.io"
_CALL_SECONDS = 300
_READY_SECONDS = 60.0

_CONFIG = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
# The image of a pause process, the plugins, a kernel that lets nobody lower oom_score_adj: the rest is the default.
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{folder}/cni"
"""

_NETWORK = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


class Containers:
    """One containerd. `socket` is where kubelet finds it."""

    def __init__(self, folder: Path, environment: Mapping[str, str], watchdog: Watchdog) -> None:
        self._folder, self.socket = folder, folder / "containerd.sock"
        self._environment = dict(environment)
        command: list[str | Path] = ["containerd", "--config", folder / "config.toml"]
        log = folder.parent / "containerd.log"
        self.server = Server("containerd", command, log=log, environment=environment, watchdog=watchdog)

    def start(self) -> None:
        """Return once it answers. Raises NotReadyError."""
        (self._folder / "cni").mkdir(parents=True)
        network = {**_NETWORK}
        network["plugins"] = [_with_data_in(self._folder / "addresses", plugin) for plugin in _NETWORK["plugins"]]
        (self._folder / "cni" / "10-pods.conflist").write_text(json.dumps(network))
        (self._folder / "config.toml").write_text(
            _CONFIG.format(folder=self._folder, socket=self.socket, pause=PAUSE_IMAGE, plugins=CNI_PLUGINS)
        )
        self.server.start()
        wait_until(
            lambda: self._ctr("version").returncode == 0, "containerd", seconds=_READY_SECONDS, needs=[self.server]
        )

    def load(self, archive: Path) -> None:
        """Bring an image (an archive as `buildah push oci-archive:` or `docker-archive:` writes it) to the node."""
        done = self._ctr("images", "import", str(archive))
        assert done.returncode == 0, f"ctr images import {archive.name}: {done.stderr}"

    def tag(self, image: str, other: str) -> None:
        """Make an image known by another name, too."""
        done = self._ctr("images", "tag", image, other)
        assert done.returncode == 0, f"ctr images tag {image}: {done.stderr}"

    def pids(self, pod: str) -> list[int]:
        """The first process of each running container of the pod called `pod`, but for the pause process."""
        listed = self._ctr("containers", "list", "--quiet", f'labels."io.kubernetes.pod.name"=={pod}')
        wanted = set()
        for container in listed.stdout.split():
            info = json.loads(self._ctr("containers", "info", container).stdout)
            if info["Labels"].get("io.cri-containerd.kind") == "container":
                wanted.add(container)
        tasks = [line.split() for line in self._ctr("tasks", "list").stdout.splitlines()[1:]]
        return [int(pid) for name, pid, state in tasks if name in wanted and state == "RUNNING"]

    def _ctr(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ctr", "--address", self.socket, "--namespace", _NAMESPACE, *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CALL_SECONDS,
            check=False,
        )


def _with_data_in(folder: Path, plugin: object) -> object:
    """The plugin with its book of addresses among the node's own files instead of the machine's."""
    assert isinstance(plugin, dict)
    return {**plugin, "ipam": {**plugin["ipam"], "dataDir": str(folder)}} if "ipam" in plugin else plugin
