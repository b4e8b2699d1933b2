"""The images that the node runs, as archives in the cache folder: pause, and Hookgate as tests/image builds it.

It knows nothing of the node.
"""

from __future__ import annotations

from pathlib import Path

from tests.cluster.binaries import Say, cache_folder, locate
from tests.image.build import Builder, build, export
from tests.node.containers import PAUSE_IMAGE

IMAGE, NEXT_IMAGE = "localhost/hookgate:e2e", "localhost/hookgate:e2e-next"
"""What is installed, and what it is upgraded to: the same files under another name, so that nothing else differs."""


def archives(say: Say) -> list[Path]:
    """Every archive that a node needs. Raises Unavailable."""
    builder = build(name=IMAGE, say=say)
    archive = cache_folder() / "image" / "hookgate-e2e.tar"
    export(builder, archive, name=IMAGE)
    return [_pause(builder, say), archive]


def _pause(builder: Builder, say: Say) -> Path:
    """The image of the process that holds a pod's namespaces open: one static program and nothing else."""
    program = locate("pause", say=say).path("pause")
    archive = cache_folder() / "image" / f"pause-{program.parent.name}.tar"
    if not archive.exists():
        container = builder.run("from", "scratch").stdout.strip()
        builder.run("copy", "--quiet", container, program, "/pause")
        builder.run("config", "--entrypoint", '["/pause"]', "--user", "65535:65535", container)
        builder.run("commit", "--quiet", "--rm", container, PAUSE_IMAGE)
        export(builder, archive, name=PAUSE_IMAGE)
    return archive
