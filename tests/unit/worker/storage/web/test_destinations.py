"""Where an address, a name or a redirection may lead: never inside."""

import pytest

from spectrogram_worker.contract import ExitCode
from unit.worker.recordings import says
from unit.worker.storage.web.site import CONTENT, HOST, OTHER, PUBLIC, Job, Network, Server, answer, broken, redirect


def test_three_redirections_are_followed_and_each_is_checked(job: Job, server: Server, network: Network) -> None:
    job.allowed = [HOST, "*.example.org:8443"]
    server.pages |= {
        "/noise.raw": redirect("/two"),
        "/two": redirect(f"https://{OTHER}:8443/three?x=1"),
        "/three": redirect("four"),
        "/four": answer(),
    }
    assert job.fetch() == CONTENT
    assert network.connected == [(PUBLIC, 443)] * 2 + [(PUBLIC, 8443)] * 2
    server.pages["/zero"] = redirect("/noise.raw")
    assert says(job.refused(f"https://{HOST}/zero"), ExitCode.INPUT_INVALID, "more than 3 redirections")


@pytest.mark.parametrize(
    "location",
    [
        f"https://{OTHER}/x",
        f"http://{HOST}/x",
        f"https://{HOST}:8443/x",
        f"//{OTHER}/x",
        "https://127.0.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        f"https://user@{HOST}/x",
        "file:///etc/passwd",
        "https://[x",
        "//]",
        "https://[::1]/x",
        "https://[v1.x]/x",
    ],
)
def test_a_redirection_elsewhere_is_refused(job: Job, server: Server, network: Network, location: str) -> None:
    server.pages["/noise.raw"] = redirect(location)
    error = job.refused()
    assert says(error, ExitCode.INPUT_INVALID, f"https://{HOST}/noise.raw leads to"), error
    assert len(network.connected) == 1


@pytest.mark.parametrize("address", [f"http://{HOST}/noise.raw", f"https://{OTHER}/x?signature=secret"])
def test_an_address_that_is_not_allowed_is_an_invalid_job(job: Job, network: Network, address: str) -> None:
    error = job.refused(address)
    assert says(error, ExitCode.INVALID_SPEC, "input.url")
    assert "secret" not in str(error)
    assert network.connected == []


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fd00::1"])
@pytest.mark.parametrize("with_public", [False, True])
def test_a_name_that_leads_inside_is_refused(job: Job, network: Network, inside: str, with_public: bool) -> None:
    network.addresses[HOST] = [[PUBLIC, inside] if with_public else [inside]]
    assert says(job.refused(), ExitCode.INPUT_INVALID, HOST, "not on the public internet")
    assert network.connected == []


def test_a_name_that_changes_its_address_never_leads_inside(job: Job, server: Server, network: Network) -> None:
    server.pages["/noise.raw"] = answer()
    network.addresses[HOST] = [[PUBLIC], ["127.0.0.1"]]
    assert job.fetch() == CONTENT  # resolved once: the second answer is never asked for
    assert network.connected == [(PUBLIC, 443)]

    network.addresses[HOST] = [[PUBLIC], ["127.0.0.1"]]
    server.pages["/noise.raw"] = redirect("/again")
    assert says(job.refused(), ExitCode.INPUT_INVALID, "not on the public internet")

    network.addresses[HOST] = [[PUBLIC], ["127.0.0.1"]]
    server.pages["/noise.raw"] = broken(1)
    assert says(job.refused(), ExitCode.INPUT_INVALID, "not on the public internet")
    assert {address for address, _ in network.connected} == {PUBLIC}
