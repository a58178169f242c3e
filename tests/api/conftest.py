"""The api tier: the real operator program against a fake API server, on loopback."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from harness.api.fake_server import FakeApiServer
from harness.ports import free_port

Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[FakeApiServer]:
    """A fake API server with the claims of the test's job, and `kubeconfig` in tmp_path."""
    fake = FakeApiServer()
    for name in ("recordings", "results"):
        fake.put("persistentvolumeclaims", {"metadata": {"name": name}})
    runner = web.AppRunner(fake.application(), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = site._server.sockets[0].getsockname()  # type: ignore[union-attr]
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{address[1]}"}}],
        "users": [{"name": "fake", "user": {"token": "none"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    yield fake
    await runner.cleanup()


@pytest.fixture
async def start(server: FakeApiServer, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts the operator's program, with one slot, looking at the fake API server every second; settings add to it."""
    defaults = {
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "SPECTROGRAM_SWEEP_INTERVAL": "1",
        "SPECTROGRAM_BACKOFF": "1",
        "SPECTROGRAM_MISSING_GRACE": "2",
        "SPECTROGRAM_REFUSAL_WAIT": "1",
        "SPECTROGRAM_POOLS": json.dumps({"default": {"maxConcurrent": 1}}),
        "SPECTROGRAM_HEALTH_PORT": str(free_port()),
        "SPECTROGRAM_METRICS_PORT": str(free_port()),
    }
    log = (tmp_path / "operator.log").open("wb")
    command = (sys.executable, "-m", "spectrogram_operator")
    started: list[asyncio.subprocess.Process] = []

    async def start(**settings: str) -> asyncio.subprocess.Process:
        environment = {**os.environ, **defaults, **settings}
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=log, stderr=log)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.terminate()
        await process.wait()
    log.close()

    print((tmp_path / "operator.log").read_text())


@pytest.fixture
async def operator(start: Start) -> asyncio.subprocess.Process:
    """The operator, running."""
    return await start()
