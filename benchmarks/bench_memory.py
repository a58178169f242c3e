"""What jobs ask for and what they take: `make bench-memory`, or python -m benchmarks.bench_memory [JOB …]

Forty varied jobs (varied_jobs.py) run on a real node, in pods of the worker's image, under the operator as its chart
installs it: with the pools' fixed memory, with `memory: auto`, with `memory: auto` again, corrected by what was learnt
of the second round, and with 96Mi, which is too little for some, to see that it is seen. To be run in a network of its
own (harness/nodes/network.py), after the images were built outside.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.varied_jobs import JOBS, VariedJob, write_recordings

from cluster.api import Api
from harness import installation
from harness.kubernetes.control_plane import ControlPlane
from harness.nodes import network
from harness.nodes.node import Node
from node.setup import create_claims, create_namespace
from node.site import Site
from pods.jobs import job_body, stored
from spectrogram_operator.api.job import ValidJob, read_job
from spectrogram_operator.api.reasons import OUT_OF_MEMORY
from spectrogram_operator.api.spec import SpectrogramJobSpec
from spectrogram_operator.api.status import Attempt, Phase, SpectrogramJobStatus
from spectrogram_operator.control.reconciling.corrections import CONFIG_MAP
from spectrogram_operator.core.building.correction import class_of, factor, read_reports
from spectrogram_operator.core.building.sizing import planned_peak_in
from spectrogram_operator.core.policy import MEBIBYTE, Policy

NODE_BYTES = 4096 * MEBIBYTE
"""What pods may ask for on the node whose jobs are counted."""
LONGEST_SECONDS = 1800.0
TIGHT = "96Mi"
ROUNDS = (("fixed", "fixed", None), ("auto", "auto", "auto"), ("corrected", "auto", "auto"))
"""Title, namespace, and `resources.memory`."""
RETRIED: dict[str, object] = {"retry": {"zombies": "Retry"}}
# The node has two CPUs and does not enforce limits of them: the queues alone say how many jobs run.
POOLS = {name: {"cpu": "50m", "maxConcurrent": count} for name, count in (("default", 2), ("large", 1))}
SETTINGS = {"memoryCorrection": True, "statusInterval": 1, "sweepInterval": 5, "backoff": 1}
HEADING = """
| round | asked for: least, median, most | default jobs on 4 GiB | 4 GiB nodes for all | peak ÷ limit: least, median, \
most | OOMKilled | stopped by the safeguard | MemoryError | made good with more | pictures without room | succeeded |
|---|---|---|---|---|---|---|---|---|---|---|"""

JOBS_HEADING = """
| job | class | asked for: fixed, auto, corrected | peak of auto, ÷ estimate | ÷ limit | ended |
|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Outcome:
    """How a job ended: its attempts but those that only changed the queue."""

    job: VariedJob
    status: SpectrogramJobStatus

    @property
    def attempts(self) -> list[Attempt]:
        """Those that were to compute it."""
        return [attempt for attempt in self.status.attempts if attempt.reason != "RerouteLarge"]

    @property
    def asked(self) -> int:
        """Bytes that the first of them asked for."""
        return self.attempts[0].memory_bytes

    @property
    def peak(self) -> int:
        """Bytes that the last of them took at most."""
        return self.attempts[-1].peak_memory_bytes or 0

    @property
    def share(self) -> float:
        """Its peak as a share of its limit."""
        return self.peak / self.attempts[-1].memory_bytes

    @property
    def has_cut_picture(self) -> bool:
        """Whether its picture was left out or drawn smaller, for want of memory."""
        return any("picture" in warning and "resources.memory" in warning for warning in self.status.warnings)

    @property
    def succeeded(self) -> bool:
        """Whether its results are there."""
        return self.status.phase is Phase.SUCCEEDED


def main() -> int:
    """Run the rounds and print what came of them."""
    options = _options()
    jobs = [job for job in JOBS if not options.jobs or job.name in options.jobs]
    began = time.monotonic()
    rounds: dict[str, list[Outcome]] = {}
    with site() as namespaces:
        print(HEADING, flush=True)
        for title, where, memory in (*ROUNDS, (TIGHT, "fixed", TIGHT)):
            rounds[title] = play(namespaces[where], jobs, memory)
            print(f"| {' | '.join((title, *summary(rounds[title])))} |", flush=True)
        print_jobs(rounds)
        print_learnt(namespaces["auto"])
        for outcome in (outcome for outcomes in rounds.values() for outcome in outcomes if not outcome.succeeded):
            print(f"\n{outcome.job.name}: {outcome.status.reason}: {outcome.status.message}")
    print(f"\n{os.cpu_count()} processors, {time.monotonic() - began:.0f} s")
    return 0


@contextmanager
def site() -> Iterator[dict[str, Site]]:
    """A node with an operator, and two namespaces for it: what is learnt of the one does not concern the other."""
    network.require_inside()
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        write_recordings(folder / "recordings")
        with (
            ControlPlane(folder / "control-plane", address=network.ADDRESS) as control_plane,
            Node(folder / "node", control_plane, kubelet={"cpuCFSQuota": False}) as node,
            closing(Api(control_plane, "fixed")) as fixed,
            closing(Api(control_plane, "auto")) as auto,
        ):
            for archive in installation.image_archives():
                node.import_image(archive)
            operator = create_namespace(control_plane, "spectrogram-system")
            sites = {}
            for api in (fixed, auto):
                client = create_namespace(control_plane, api.namespace)
                claims = {"recordings": folder / "recordings", "results": folder / f"results-{api.namespace}"}
                claims["results"].mkdir()
                create_claims(client, claims, node)
                sites[api.namespace] = Site(client, api, operator, "spectrogram-operator", claims)
            values = {"watchNamespaces": list(sites), "replicas": 1, "pools": POOLS, "settings": SETTINGS}
            installation.install(operator, "spectrogram-operator", values)
            yield sites


def play(where: Site, jobs: Sequence[VariedJob], memory: str | None) -> list[Outcome]:
    """Submit all jobs, wait for their ends, and clear them away."""
    resources = {} if memory is None else {"resources": {"memory": memory}}
    for job in jobs:
        where.client.apply(job_body(job.name, **{**job.body, **RETRIED, **resources}))
    found = []
    for job in jobs:
        status = where.wait(job.name, lambda status: status.completion_time, "its end", LONGEST_SECONDS)
        found.append(Outcome(job, status))
    where.client.kubectl("delete", "spectrogramjob", "--all")
    for result in where.claims["results"].iterdir():
        shutil.rmtree(result)
    return found


def summary(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The cells of a round's row."""
    asked = sorted(outcome.asked for outcome in outcomes)
    default = next((outcome for outcome in outcomes if outcome.job.name == "plain"), outcomes[0])
    yield ", ".join(f"{value // MEBIBYTE}" for value in (asked[0], statistics.median_low(asked), asked[-1])) + " Mi"
    yield str(NODE_BYTES // default.asked)
    yield str(len(packed(asked, NODE_BYTES)))
    shares = sorted(outcome.share for outcome in outcomes)
    yield ", ".join(f"{value:.2f}" for value in (shares[0], statistics.median(shares), shares[-1]))
    ends = Counter(attempt.reason for outcome in outcomes for attempt in outcome.attempts)
    for reason in ("OOMKilled", "MemorySafeguardExceeded", "MemoryError"):
        yield str(ends[reason])
    yield str(sum(outcome.succeeded and is_grown(outcome) for outcome in outcomes))
    yield str(sum(outcome.has_cut_picture for outcome in outcomes))
    yield f"{sum(outcome.succeeded for outcome in outcomes)} of {len(outcomes)}"


def is_grown(outcome: Outcome) -> bool:
    """Whether an attempt of it ran out of memory."""
    return any(attempt.reason in OUT_OF_MEMORY for attempt in outcome.attempts)


def packed(sizes: Sequence[int], room: int) -> list[int]:
    """What is asked for on each node, where each size goes to the first node that has room, the largest first."""
    nodes: list[int] = []
    for size in sorted(sizes, reverse=True):
        fitting = next((number for number, taken in enumerate(nodes) if taken + size <= room), None)
        if fitting is None:
            nodes.append(size)
        else:
            nodes[fitting] += size
    return nodes


def print_jobs(rounds: Mapping[str, Sequence[Outcome]]) -> None:
    """Each job: what was planned and taken."""
    print(JOBS_HEADING)
    for fixed, auto, corrected in zip(*(rounds[title] for title, *_ in ROUNDS), strict=True):
        spec = spec_of(auto.job)
        planned = planned_peak_in(spec, auto.attempts[-1].pool, Policy())
        asked = ", ".join(f"{outcome.asked // MEBIBYTE}" for outcome in (fixed, auto, corrected))
        ended = ", ".join(attempt.reason or "" for attempt in auto.attempts)
        peak = f"{auto.peak / 1e6:.0f} of {planned / 1e6:.0f} MB, {auto.peak / planned:.2f}"
        print(f"| {auto.job.name} | {class_of(spec)} | {asked} Mi | {peak} | {auto.share:.2f} | {ended} |")


def spec_of(job: VariedJob) -> SpectrogramJobSpec:
    """What the operator reads. Raises ValueError for a job that it would refuse."""
    read = read_job(stored(job_body(job.name, **job.body)))
    if not isinstance(read, ValidJob):
        raise ValueError(f"{job.name} is no valid job")
    return read.spec


def print_learnt(where: Site) -> None:
    """What stands in the ConfigMap, and the corrections that follow from it."""
    reports = read_reports((where.client.find("configmap", CONFIG_MAP) or {}).get("data"))
    print("\n| class | reports, % of the estimate | correction |\n|---|---|---|")
    for kind, percents in sorted(reports.items()):
        print(f"| {kind} | {' '.join(map(str, percents))} | {factor(percents):.2f} |")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="some of the forty, by name; default: all")
    options = parser.parse_args()
    if unknown := set(options.jobs) - {job.name for job in JOBS}:
        parser.error(f"no such job: {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    sys.exit(main())
