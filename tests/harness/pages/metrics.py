"""docs/metrics.md, made of the metrics themselves: their names, labels and help."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families

from spectrogram_operator.telemetry.metrics import Metrics
from spectrogram_operator.telemetry.scraped import Standing
from spectrogram_worker.contract.report import Report
from spectrogram_worker.progress_server import metrics_text

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
HEAD = """# Metrics

Made by `make metrics` of the metrics themselves. Labels are namespace, queue and closed sets, never a job's name: the
number of series grows with namespaces, not with jobs. A namespace that has had no job for an hour is forgotten.
Counters count each thing once, whichever of several operators did it, and of jobs only the operator tells that acts in
their namespace (`spectrogram_operator_leader`): sums over operators are right. For a moment after one has died both may
stand there, so the dashboard takes the `max` first. What wakes people is in [runbooks/](runbooks).

"""
TABLE = "| metric | type | what |\n|---|---|---|\n"


def operator_metrics() -> list[Metric]:
    """Everything that an operator serves, with a sample of each."""
    registry = CollectorRegistry()
    standing = Standing(places={("radio", "default", "Running"): 1})
    metrics = Metrics(registry, lambda: standing, version="1", started=datetime.now(UTC), namespaces=["radio"])
    metrics.answered("GET", 200)
    return list(registry.collect())


def worker_metrics() -> list[Metric]:
    """Everything that a worker serves."""
    return list(text_string_to_metric_families(metrics_text(Report(job_uid="uid", attempt=1))[0].decode()))


def page() -> str:
    """The page."""
    operator = sorted(operator_metrics(), key=lambda family: family.name)
    own = [family for family in operator if family.name.startswith("spectrogram_")]
    of_process = [family for family in operator if family not in own]
    parts = {
        "Of the operator, `GET :9090/metrics`": own,
        "Of its process": of_process,
        "Of each worker, `GET :8080/metrics`": worker_metrics(),
    }
    return HEAD + "\n".join(f"## {title}\n\n{TABLE}{_rows(families)}" for title, families in parts.items())


def name_of(family: Metric) -> str:
    """As queries write it: a counter ends in _total, and a histogram has _bucket, _sum and _count besides."""
    return f"{family.name}_total" if family.type == "counter" else family.name


def _rows(families: Iterable[Metric]) -> str:
    return "".join(f"| `{name_of(one)}{_labels(one)}` | {one.type} | {one.documentation} |\n" for one in families)


def _labels(family: Metric) -> str:
    names = [name for name in (family.samples[0].labels if family.samples else ()) if name != "le"]
    return f"{{{','.join(names)}}}" if names else ""


if __name__ == "__main__":
    sys.stdout.write(page())
