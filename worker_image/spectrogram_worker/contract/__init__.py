"""The contract between operator and worker: the only part of the worker that the operator imports.

Standard library and pydantic only. A change here changes both programs.
"""

from spectrogram_worker.contract.document import WorkerDocument
from spectrogram_worker.contract.exit_codes import ExitCode
from spectrogram_worker.contract.last_words import last_words, parse_last_words
from spectrogram_worker.contract.report import Report, parse_report

__all__ = ["ExitCode", "Report", "WorkerDocument", "last_words", "parse_last_words", "parse_report"]
