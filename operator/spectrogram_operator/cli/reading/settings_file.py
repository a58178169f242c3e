"""The settings of the environment, and the file of --settings.

That is `stores` and `allowedUrlHosts` as in the chart's values; what else is in there is not read. So the platform
team's values file is one, and so is an excerpt of it.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import yaml

from spectrogram_operator.cli.errors import WRONG_USAGE, CommandError
from spectrogram_operator.cli.reading.yaml_nodes import compose, construct
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.settings import Settings, SettingsError, read_settings
from spectrogram_operator.settings.stores import parse_allowed_hosts, parse_stores
from spectrogram_worker.contract.report import clean_text


def settings_of(environ: Mapping[str, str]) -> Settings:
    """The settings of the environment. Raises CommandError: 78."""
    try:
        return read_settings(environ)
    except SettingsError as error:
        raise CommandError(str(error), exit_code=error.exit_code) from None


def with_settings_file(policy: Policy, path: Path) -> Policy:
    """The policy with the file's stores and hosts added. Raises CommandError: 2 without a file, 78 for its content."""
    try:
        documents = compose(path.read_text(encoding="utf-8"))
        content = construct(documents[0]) if documents else None
    except OSError as error:
        raise CommandError(f"--settings {path}: {error.strerror}", exit_code=WRONG_USAGE) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise _wrong(path, f"broken YAML: {error}") from None
    if len(documents) > 1:
        raise _wrong(path, "a second YAML document is in it: remove it")
    if not isinstance(content, dict) or not content.keys() & {"stores", "allowedUrlHosts"}:
        raise _wrong(path, "nothing in it: write stores and allowedUrlHosts, as in the chart's values")
    try:
        stores = parse_stores(json.dumps(content.get("stores") or {}))
        hosts = parse_allowed_hosts(json.dumps(content.get("allowedUrlHosts") or []))
    except (TypeError, ValueError) as error:
        raise _wrong(path, str(error)) from None
    return replace(policy, stores={**policy.stores, **stores}, allowed_url_hosts=(*policy.allowed_url_hosts, *hosts))


def _wrong(path: Path, what: str) -> CommandError:
    return CommandError(clean_text(f"--settings {path}: {what}", 1024), exit_code=SettingsError.exit_code)
