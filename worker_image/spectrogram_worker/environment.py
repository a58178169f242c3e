"""The process's two ends: the document comes in by an environment variable, the last words go out by a file."""

import json
import logging
import os
from collections.abc import Mapping

from pydantic import ValidationError

from spectrogram_worker.contract import ExitCode, Report, WorkerDocument, last_words
from spectrogram_worker.contract.base import REFUSED_VALUE
from spectrogram_worker.contract.document import ENVIRONMENT_VARIABLE, MAXIMUM_DOCUMENT_BYTES, Folders
from spectrogram_worker.contract.report import clean_text
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.logs import log_ending

_OF_THE_USER = frozenset({"input", "transform", "reduce", "frequencyRange", "output", "chunking"})
_NO_JSON, _TOO_DEEP = "json_invalid", "recursion limit exceeded"
"""How pydantic says that a document nests more than 200 deep."""

log = logging.getLogger(__name__)


def read_document(environment: Mapping[str, str]) -> WorkerDocument:
    """The document in SPECTROGRAM_JOB.

    Raises WorkerError: 64 for what a job's author wrote, 78 for what the operator or the installation did.
    """
    text = environment.get(ENVIRONMENT_VARIABLE)
    if text is None:
        raise _misconfigured(f"the environment variable {ENVIRONMENT_VARIABLE} is not set")
    if len(os.fsencode(text)) > MAXIMUM_DOCUMENT_BYTES:
        raise _misconfigured(f"{ENVIRONMENT_VARIABLE} is longer than {MAXIMUM_DOCUMENT_BYTES} bytes")
    try:
        return WorkerDocument.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == _NO_JSON and _TOO_DEEP in first["msg"]:  # the operator nests nothing: it is the author's
            raise WorkerError(ExitCode.INVALID_SPEC, "the job nests lists or objects too deeply: flatten it") from error
        place = [str(part) for part in first["loc"]]
        value = f"{first['input']!r} " if first["type"] == REFUSED_VALUE else ""
        message = f"{'.'.join(place) or ENVIRONMENT_VARIABLE}: {value}{first['msg'].removeprefix('Value error, ')}"
        if place and place[0] in _OF_THE_USER:
            raise WorkerError(ExitCode.INVALID_SPEC, message) from error
        raise _misconfigured(message) from error


def _misconfigured(message: str) -> WorkerError:
    return WorkerError(ExitCode.WORKER_CONFIG_ERROR, message)


def end_without_a_run(environment: Mapping[str, str], code: ExitCode, message: str) -> ExitCode:
    """Last words of a worker that could not even begin: with the job's identity, as far as it can be read."""
    try:
        content = json.loads(environment.get(ENVIRONMENT_VARIABLE, ""))
        report = Report(job_uid=content["job"]["uid"], attempt=content["job"]["attempt"])
        folders = Folders.model_validate(content.get("folders", {}))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        report, folders = Report(job_uid="", attempt=1), Folders()
    message = clean_text(message)
    log_ending(None, code.reason, message, failed=True)
    report = report.model_copy(update={"reason": code.reason, "message": message})
    write_termination_message(folders.termination_message, report)
    return code


def write_termination_message(path: str, report: Report) -> None:
    """Write the report where the kubelet looks for it. A job never fails for want of last words."""
    if path == Folders().termination_message and not os.path.exists(path):
        return  # not in a pod, where the kubelet makes this file
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, last_words(report).encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        log.warning("Cannot write the termination message %s: %s", path, error.strerror)
