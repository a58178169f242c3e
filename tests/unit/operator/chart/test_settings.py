"""What values say reaches the operator, and the defaults of both are the same."""

import dataclasses
import json
import re
from typing import Any

import yaml

from spectrogram_operator.core.policy import Policy
from spectrogram_operator.settings import SETTINGS, read_settings
from unit.operator.chart.rendering import CHART, STORES, Chart, environment


def test_the_default_values_give_the_operator_s_defaults(chart: Chart) -> None:
    settings = read_settings(environment(chart.render()))
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    account = "radio-spectrogram-operator-worker"
    assert settings.policy == Policy(worker_image=f"spectrogram-worker:{version}", service_account=account)
    assert settings.namespaces == ("system",)


# One value other than the default for each entry of `settings`; numbers so large that Go would write 3.1536e+07.
SET = {
    "kueue": True,
    "logLevel": "debug",
    "defaultMemory": 2**31,
    "memoryCorrection": True,
    "softTimeLimit": 20_000_000,
    "hardTimeLimit": 31_536_000,
    "memorySafeguardThreshold": 92.5,
    "terminationGrace": 3600,
    "leaseDuration": 3600,
    "infrastructureRetries": 0,
    "backoff": 0,
}


def schema_of_settings() -> dict[str, Any]:
    schema = json.loads((CHART / "values.schema.json").read_text())
    properties: dict[str, Any] = schema["properties"]["settings"]["properties"]
    return properties


def test_every_setting_can_be_set_by_values_and_every_variable_is_a_setting(chart: Chart) -> None:
    values = {name: SET.get(name, 1_234_567) for name in schema_of_settings()}
    worker = {"runAsUser": 1_000_650_000, "fsGroup": 1_000_650_001, "scratchSize": 2**31}
    variables = environment(chart.render(settings=values, worker=worker))
    assert set(variables) == {setting.name for setting in SETTINGS}
    settings = read_settings(variables)
    policy = settings.policy
    assert (policy.soft_seconds, policy.hard_seconds, policy.safeguard_percent) == (20_000_000, 31_536_000, 92.5)
    assert (policy.run_as_user, policy.fs_group, policy.scratch_bytes) == (1_000_650_000, 1_000_650_001, 2**31)
    assert (policy.infrastructure_retries, policy.backoff_seconds, policy.stale_seconds) == (0, 0, 1_234_567)
    assert policy.pools["default"].memory_bytes == 2**31
    assert (settings.log_level, settings.lease_seconds, policy.kueue) == ("debug", 3600, True)


def test_the_defaults_in_the_comments_are_the_operator_s() -> None:
    commented = dict(re.findall(r"^  # (\w+): (\S+) +#", (CHART / "values.yaml").read_text(), re.MULTILINE))
    assert set(commented) == set(schema_of_settings())
    environ = {"SPECTROGRAM_" + re.sub(r"([A-Z])", r"_\1", name).upper(): text for name, text in commented.items()}
    assert environ.keys() <= {setting.name for setting in SETTINGS}
    written, default = (dataclasses.replace(read_settings(variables), rows=()) for variables in (environ, {}))
    assert written == default


def test_the_replaced_system_s_names_reach_the_operator(chart: Chart) -> None:
    environ = environment(
        chart.render(
            extraEnv=[
                {"name": "CELERY_TASK_TIME_LIMIT", "value": "1200"},
                {"name": "CELERY_WORKER_MAX_MEMORY_PER_CHILD", "value": "2147483648"},
            ]
        )
    )
    policy = read_settings(environ).policy
    assert (policy.hard_seconds, policy.pools["default"].memory_bytes) == (1200, 2**31)


def test_pools_reach_the_operator(chart: Chart) -> None:
    toleration = {"key": "spectrogram.dev/pool", "operator": "Equal", "value": "large", "effect": "NoSchedule"}
    large = {"nodeSelector": {"spectrogram.dev/pool": "large"}, "tolerations": [toleration], "maxConcurrent": 0}
    pools = read_settings(environment(chart.render(pools={"large": large, "default": {"memory": "2Gi"}}))).policy.pools
    assert pools["large_jobs"].node_selector == {"spectrogram.dev/pool": "large"}
    assert pools["large_jobs"].tolerations == (toleration,)
    assert pools["large_jobs"].max_concurrent == 0
    assert pools["default"].memory_bytes == 2 * 2**30


def test_memory_auto_reaches_the_operator(chart: Chart) -> None:
    rendered = chart.render(pools={"large": {"memory": "auto"}}, settings={"defaultMemory": "auto"})
    pools = read_settings(environment(rendered)).policy.pools
    assert (pools["default"].auto_memory, pools["large_jobs"].auto_memory) == (True, True)


def test_stores_and_allowed_hosts_reach_the_operator(chart: Chart) -> None:
    hosts = ["data.example.org", "*.sdr.example:8443"]
    environ = environment(chart.render(stores=STORES, allowedUrlHosts=hosts))
    policy = read_settings(environ).policy
    written = {name: {key: value for key, value in store.items() if value} for name, store in STORES.items()}
    assert policy == read_settings(environ | {"SPECTROGRAM_STORES": json.dumps(written)}).policy
    assert set(policy.stores) == set(STORES)
    assert policy.stores["archive"].credentials_secret == "archive-keys"
    assert policy.allowed_url_hosts == tuple(hosts)


def test_the_example_of_the_values_comments_is_a_right_one(chart: Chart) -> None:
    text = (CHART / "values.yaml").read_text()
    lines = text.partition("#   stores:\n")[2].partition("\nstores: {}")[0]
    example = yaml.safe_load("stores:\n" + "\n".join(line.removeprefix("#   ") for line in lines.splitlines()))
    policy = read_settings(environment(chart.render(**example))).policy
    assert (policy.stores["results"].claim_name, policy.stores["archive"].credentials_secret) == (
        "team-results",
        "archive-keys",
    )
