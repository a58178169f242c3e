"""A worker's termination message: its last report as two JSON lines, of which the first is enough to judge it by.

The containers of a pod share 12 KiB of termination messages (pkg/kubelet/status/status_manager.go, normalizeStatus): where
others have injected theirs, the kubelet hands on the start of a message. The first line comes through beside eleven other
containers. It holds what success and failure depend on; what is cut of the second costs details.
"""

import json
from typing import Any

from pydantic_core import from_json

from spectrogram_worker.contract.report import MAXIMUM_OUTPUTS, MAXIMUM_REPORT_BYTES, Report, is_manifest, parse_report

MAXIMUM_FIRST_LINE_BYTES = 1024
_IDENTITY = {"version", "job_uid", "attempt", "reason"}


def last_words(report: Report) -> str:
    """The report as a termination message of at most 4096 bytes, beyond which the kubelet would cut off its start."""
    first: dict[str, Any] = report.model_dump(mode="json", by_alias=True, include=_IDENTITY)
    if report.memory.peak_bytes is not None:
        first["memory"] = {"peakBytes": report.memory.peak_bytes}
    outputs = report.outputs
    manifest = next((output for output in outputs if is_manifest(output)), None)
    if manifest is not None:
        entry = manifest.to_document()
        if len(_line({**first, "outputs": [entry]})) <= MAXIMUM_FIRST_LINE_BYTES:
            outputs = tuple(output for output in outputs if output is not manifest)
        else:  # its folder has a long name, which the second line says
            entry["path"] = manifest.path.rpartition("/")[2]
        first["outputs"] = [entry]
    line = _line(first)
    rest = report.model_copy(update={"outputs": outputs})
    return f"{line.decode()}\n{rest.to_json(MAXIMUM_REPORT_BYTES - len(line) - 1, leave_out=_IDENTITY)}"


def parse_last_words(text: str | None) -> Report | None:
    """The report in a termination message, or None where there is none. An older worker's is one line.

    Of a message that was cut only those fields are set that its first line says.
    """
    if not text or len(text) > MAXIMUM_REPORT_BYTES:
        return None
    line, second, *_ = [*text.split("\n"), ""]
    first = parse_report(line)
    return None if first is None else _details(first, second) or first


def _details(first: Report, second: str) -> Report | None:
    """The whole report, where the second line came whole: of what both say the first counts."""
    try:
        rest = from_json(second.encode(errors="replace"), allow_inf_nan=False)
        if not isinstance(rest, dict):
            return None
        report = Report.model_validate({**rest, **first.model_dump(by_alias=True, include=_IDENTITY)})
    except ValueError:
        return None
    memory = first.memory.model_dump(exclude_unset=True)
    outputs = report.outputs if report.has_manifest else (*report.outputs, *first.outputs)
    return report.model_copy(
        update={"memory": report.memory.model_copy(update=memory), "outputs": outputs[-MAXIMUM_OUTPUTS:]}
    )


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
