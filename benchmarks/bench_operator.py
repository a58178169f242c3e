"""The operator with many jobs: `make bench-operator`, or python -m benchmarks.bench_operator [--quick] [ROW …]

A real control plane runs on this machine, kwok plays the pods, and each figure stands beside its yardstick of the same
run: native Jobs, one LIST of all jobs, or kopf with one event handler. Nothing is asserted. Only a machine that does
nothing else gives numbers to quote.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator

from benchmarks import looks, queues, rates
from benchmarks.cluster import Bench, bench

ROWS = ("rate", "cpu", "writes", "look", "finished", "waiting", "unreachable", "slots")
HEADING = """
| measured | operator | yardstick |
|---|---|---|"""


def main() -> int:
    """Print the rows that were asked for, each as soon as it is known."""
    options = _options()
    began = time.monotonic()
    with bench() as running:
        print(HEADING, flush=True)
        for row in _rows(running, options):
            print(f"| {' | '.join(row)} |", flush=True)
    print(f"\n{os.cpu_count()} processors, {time.monotonic() - began:.0f} s")
    return 0


def _rows(running: Bench, options: argparse.Namespace) -> Iterator[rates.Row]:
    wanted: list[str] = options.rows
    if {"rate", "cpu", "writes"} & set(wanted):
        counts = [25, 100] if options.quick else [250, 1000] if "cpu" in wanted else [1000]
        yield from rates.rows(running, [*counts, *([5000] if options.long else [])], wanted)
    if "look" in wanted:
        yield from looks.rows([50, 250] if options.quick else [250, 10_000])
    if "finished" in wanted:
        yield from queues.finished_jobs(running, [100] if options.quick else [1000, 3000, 10_000])
    if "waiting" in wanted:
        yield from queues.waiting_jobs(running, 200 if options.quick else 2000)
    if "unreachable" in wanted:
        yield from queues.unreachable_pods(running, 40 if options.quick else 400)
    if "slots" in wanted:
        yield from queues.free_slots(running, 300 if options.quick else 3000)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a tenth of the jobs: does it run at all?")
    parser.add_argument("--long", action="store_true", help="CPU time with 5,000 jobs too")
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    options.rows = options.rows or list(ROWS)
    return options


if __name__ == "__main__":
    sys.exit(main())
