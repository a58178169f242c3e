"""Reading the settings from an environment, and showing what was read."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from spectrogram_operator.api.quantity import format_bytes
from spectrogram_operator.api.spec import AUTO, QueueName
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.settings.catalogue import SETTINGS, Setting
from spectrogram_operator.settings.pools import build_pools, pools_document
from spectrogram_worker.contract.report import clean_text

DEFAULT_SOURCE = "default"
_COLUMN = 40


class SettingsError(ValueError):
    """A setting that cannot be used: one line that names the variable and says what to write."""

    exit_code = 78
    """EX_CONFIG of sysexits.h."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a setting is now, and which variable (or `default`) said so."""

    setting: Setting
    value: str
    source: str

    @property
    def title(self) -> str:
        """The setting in an error message: the variable that set it, else its name, with the value."""
        name = self.setting.name if self.source == DEFAULT_SOURCE else self.source
        return f"{name}={clean_text(self.value, _COLUMN)}"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the operator was told at start."""

    policy: Policy
    namespaces: tuple[str, ...]
    """The namespaces that are watched; empty: all."""
    sweep_seconds: float
    """Time between two sweeps."""
    max_poll_attempts: int
    """Polls after which `spectrogram wait` gives up."""
    health_port: int
    """Port of GET /healthz and /readyz."""
    metrics_port: int
    """Port of GET /metrics."""
    lease_seconds: int
    """How long the lease of a namespace is kept for an operator that does not renew it."""
    memory_correction: bool
    """Whether what workers took corrects the memory of later jobs."""
    log_level: str
    """debug, info, warning or error."""
    rows: tuple[Row, ...]
    """Every setting with its value and source, in the order of the catalogue."""
    warnings: tuple[str, ...]
    """One line for each variable that is probably a misspelt setting."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """The settings in `environ`. An empty value counts as not set.

    Raises SettingsError for a value that cannot be used, or for two that do not fit together.
    """
    rows = {setting.field: _read(setting, environ) for setting in SETTINGS}
    values = {field: _parse(row) for field, row in rows.items()}
    written, default_memory = values["pools"], values.pop("default_memory")
    try:
        values["pools"] = build_pools(written, default_memory)
    except ValueError as error:
        raise SettingsError(f"{rows['pools'].title}, {rows['default_memory'].title}: {error}") from None
    _check_together(rows, values)

    memory_is_written = QueueName.DEFAULT in written and written[QueueName.DEFAULT].memory is not None
    if memory_is_written:
        rows["default_memory"] = replace(rows["default_memory"], source=rows["pools"].source)
    policy_fields = {field.name for field in fields(Policy)}
    policy = Policy(**{name: value for name, value in values.items() if name in policy_fields})
    default = policy.pools[QueueName.DEFAULT]
    effective = {
        "default_memory": AUTO if default.auto_memory else format_bytes(default.memory_bytes),
        "pools": json.dumps(pools_document(policy.pools)),
    }
    return Settings(
        policy=policy,
        rows=tuple(replace(row, value=effective.get(field, row.value)) for field, row in rows.items()),
        warnings=tuple(_misspelt(environ)),
        **{name: value for name, value in values.items() if name not in policy_fields},
    )


def show_settings(settings: Settings) -> str:
    """The table of `spectrogram-operator --show-settings`: name, value, source, description.

    Values too long for a column follow the table, in full.
    """
    lines = [("NAME", "VALUE", "SOURCE", "DESCRIPTION"), *(_cells(row) for row in settings.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    table = ["  ".join([*map(str.ljust, line[:3], widths), line[3]]).rstrip() for line in lines]
    long = [f"{row.setting.name}={row.value}" for row in settings.rows if len(row.value) > _COLUMN]
    return "\n".join([*table, "", *long, *(f"warning: {warning}" for warning in settings.warnings)])


def _cells(row: Row) -> tuple[str, str, str, str]:
    value = f"{row.value} {row.setting.unit}".strip() if len(row.value) <= _COLUMN else "(see below)"
    also = f" (also {row.setting.replaces})" if row.setting.replaces else ""
    return row.setting.name, value or "(empty)", row.source, row.setting.description + also


def _read(setting: Setting, environ: Mapping[str, str]) -> Row:
    for name in setting.names:
        if value := environ.get(name, "").strip():
            return Row(setting=setting, value=value, source=name)
    return Row(setting=setting, value=setting.default, source=DEFAULT_SOURCE)


def _parse(row: Row) -> Any:
    try:
        return row.setting.parse(row.value)
    except ValueError as error:
        raise SettingsError(f"{row.title}: {error}") from None


def _check_together(rows: Mapping[str, Row], values: Mapping[str, Any]) -> None:
    def fail(first: str, relation: str, second: str) -> None:
        raise SettingsError(f"{rows[first].title} must be {relation} {rows[second].title}: change one of them")

    if values["soft_seconds"] >= values["hard_seconds"]:
        fail("soft_seconds", "less than", "hard_seconds")
    if values["backoff_seconds"] > values["max_backoff_seconds"]:
        fail("backoff_seconds", "at most", "max_backoff_seconds")
    if values["refusal_seconds"] > values["max_refusal_seconds"]:
        fail("refusal_seconds", "at most", "max_refusal_seconds")
    if values["health_port"] == values["metrics_port"]:
        fail("health_port", "another port than", "metrics_port")
    for queue, pool in values["pools"].items():
        if pool.auto_concurrent and values["namespaces"]:
            raise SettingsError(
                f"{rows['pools'].title}: maxConcurrent auto of {queue} counts the nodes of the whole cluster for the"
                f" jobs of all namespaces, and {rows['namespaces'].title} names some: write a number, or name none"
            )


def _misspelt(environ: Mapping[str, str]) -> Iterator[str]:
    known = [name for setting in SETTINGS for name in setting.names]
    for name in sorted(set(environ).difference(known)):
        for likely in difflib.get_close_matches(name, known, n=1, cutoff=0.85):
            yield f"{name} is no setting; {likely} is"
