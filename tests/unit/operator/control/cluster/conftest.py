"""Sites, and clusters that ask them."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from kubernetes.aio import client

from spectrogram_operator.control.cluster.kubernetes import KubernetesCluster
from unit.operator.control.cluster.site import AUTHORITY, Answer, Connect, Serve, Site


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts sites: `await serve(answer, …)`."""
    runners: list[web.ServerRunner] = []

    async def start(*answers: Answer, host: str = "127.0.0.1") -> Site:
        site = Site(list(answers), host)
        runner = web.ServerRunner(web.Server(site.answer), shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, host, 0).start()
        site.port, site.close = runner.addresses[0][1], runner.cleanup
        return site

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def connect(serve: Serve) -> AsyncIterator[Connect]:
    """Makes a cluster of an API server that gives these answers: `await connect(answer, …)`."""
    clusters: list[KubernetesCluster] = []

    async def start(*answers: Answer) -> tuple[KubernetesCluster, Site]:
        site = await serve(*answers)
        configuration = client.Configuration(host=f"http://{site.host}:{site.port}")
        configuration.api_key["BearerToken"] = "Bearer secret"
        configuration.ca_cert_data = AUTHORITY  # else the system's hundred and more are read, 0.2 s each time
        api = client.ApiClient(configuration)
        clusters.append(KubernetesCluster(api, dated=lambda *told: site.dated.append(told)))
        return clusters[-1], site

    yield start
    for cluster in clusters:
        await cluster.close()
