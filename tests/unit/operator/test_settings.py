"""Settings: names old and new, defaults, sources, and a clear line for each mistake."""

import json
from dataclasses import fields

import pytest

from spectrogram_operator.api.spec import QueueName
from spectrogram_operator.core.policy import GIBIBYTE, Policy, Store
from spectrogram_operator.settings import SETTINGS, Settings, SettingsError, read_settings, show_settings
from spectrogram_worker.contract.document import Bucket

DEFAULT, LARGE = QueueName.DEFAULT, QueueName.LARGE_JOBS


def row(settings: Settings, name: str) -> tuple[str, str]:
    (found,) = (row for row in settings.rows if name in row.setting.names)
    return found.value, found.source


def pools(**queues: object) -> dict[str, str]:
    return {"SPECTROGRAM_POOLS": json.dumps(queues)}


def stores(**named: object) -> dict[str, str]:
    return {"SPECTROGRAM_STORES": json.dumps(named)}


def hosts(*names: object) -> dict[str, str]:
    return {"SPECTROGRAM_ALLOWED_URL_HOSTS": json.dumps(names)}


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = read_settings({})
    assert settings.policy == Policy()
    assert (settings.namespaces, settings.sweep_seconds, settings.max_poll_attempts) == ((), 120, 120)
    assert (settings.health_port, settings.metrics_port, settings.log_level) == (8080, 9090, "info")
    assert {row.source for row in settings.rows} == {"default"}
    assert settings.warnings == ()


def test_every_field_of_the_policy_is_a_setting() -> None:
    learnt = {"memory_corrections"}
    assert {field.name for field in fields(Policy)} - learnt <= {setting.field for setting in SETTINGS}


@pytest.mark.parametrize(
    ("name", "own", "text", "field", "value"),
    [
        ("CELERY_TASK_SOFT_TIME_LIMIT", "SPECTROGRAM_SOFT_TIME_LIMIT", "60", "soft_seconds", 60),
        ("CELERY_TASK_TIME_LIMIT", "SPECTROGRAM_HARD_TIME_LIMIT", "1800", "hard_seconds", 1800),
        ("JOB_POLL_INTERVAL", "SPECTROGRAM_POLL_INTERVAL", "2.5", "poll_seconds", 2.5),
        ("JOB_STALE_TIMEOUT", "SPECTROGRAM_STALE_TIMEOUT", "60", "stale_seconds", 60),
        ("MEMORY_SAFEGUARD_THRESHOLD", "SPECTROGRAM_MEMORY_SAFEGUARD_THRESHOLD", "90.5", "safeguard_percent", 90.5),
    ],
)
def test_the_replaced_system_s_names_work_and_the_own_name_wins(
    name: str, own: str, text: str, field: str, value: float
) -> None:
    settings = read_settings({name: text})
    assert getattr(settings.policy, field) == value
    assert row(settings, name) == (text, name)
    settings = read_settings({name: "77", own: text})
    assert getattr(settings.policy, field) == value
    assert row(settings, name) == (text, own)


def test_the_replaced_system_s_defaults_are_ours() -> None:
    theirs = {
        "CELERY_TASK_SOFT_TIME_LIMIT": "600",
        "CELERY_TASK_TIME_LIMIT": "900",
        "CELERY_WORKER_MAX_MEMORY_PER_CHILD": "1073741824",
        "JOB_MAX_POLL_ATTEMPTS": "120",
        "JOB_POLL_INTERVAL": "5",
        "JOB_STALE_TIMEOUT": "3600",
        "MEMORY_SAFEGUARD_THRESHOLD": "95.0",
    }
    assert {setting.replaces for setting in SETTINGS if setting.replaces} == set(theirs)
    assert read_settings(theirs).policy == read_settings({}).policy
    assert read_settings({"JOB_MAX_POLL_ATTEMPTS": "7"}).max_poll_attempts == 7


def test_every_setting_can_be_set_and_says_who_set_it() -> None:
    other = {
        "SPECTROGRAM_LOG_LEVEL": "debug",
        "SPECTROGRAM_IMAGE_PULL_POLICY": "Never",
        "SPECTROGRAM_NAMESPACES": "lab",
        "SPECTROGRAM_KUEUE": "true",
        "SPECTROGRAM_MEMORY_CORRECTION": "true",
    }
    other |= pools(default={"cpu": "2"})
    other |= {"SPECTROGRAM_STORES": '{"archive": {"claimName": "tape"}}'}
    other |= {"SPECTROGRAM_ALLOWED_URL_HOSTS": '["data.example.org"]'}
    for setting in SETTINGS:
        text = other.get(setting.name) or {"1Gi": "2Gi"}.get(setting.default, "77")
        # The limits are checked against each other: keep them apart.
        room = {"SPECTROGRAM_HARD_TIME_LIMIT": "1000"} if setting.field == "soft_seconds" else {}
        room |= {"SPECTROGRAM_SOFT_TIME_LIMIT": "10"} if setting.field == "hard_seconds" else {}
        changed = read_settings({setting.name: text, **room})
        plain = read_settings(room)
        assert row(changed, setting.name)[1] == setting.name
        if setting.field == "default_memory":
            assert changed.policy.pools[DEFAULT].memory_bytes == 2 * GIBIBYTE
        else:
            holder = "policy" if setting.field in Policy.__dataclass_fields__ else None
            before, after = (getattr(s, holder) if holder else s for s in (plain, changed))
            assert getattr(before, setting.field) != getattr(after, setting.field), setting.name


def test_an_empty_value_counts_as_not_set() -> None:
    settings = read_settings({"SPECTROGRAM_STALE_TIMEOUT": " ", "JOB_STALE_TIMEOUT": "60", "SPECTROGRAM_POOLS": ""})
    assert row(settings, "JOB_STALE_TIMEOUT") == ("60", "JOB_STALE_TIMEOUT")


def test_namespaces_are_names_with_commas() -> None:
    assert read_settings({"SPECTROGRAM_NAMESPACES": "lab, team-a,lab"}).namespaces == ("lab", "team-a")


def test_pull_secrets_are_names_with_commas() -> None:
    policy = read_settings({"SPECTROGRAM_IMAGE_PULL_SECRETS": "registry,my.mirror, registry"}).policy
    assert policy.image_pull_secrets == ("registry", "my.mirror")
    with pytest.raises(SettingsError, match="write names of Secrets, separated by commas; 'A' is none"):
        read_settings({"SPECTROGRAM_IMAGE_PULL_SECRETS": "A"})


def test_a_pool_is_what_is_written_and_the_usual_for_the_rest() -> None:
    large = {
        "memory": "8Gi",
        "cpu": 4,
        "maxConcurrent": 0,
        "maxPerNamespace": 3,
        "totalMemory": "64Gi",
        "nodeSelector": {"spectrogram.dev/pool": "large"},
        "tolerations": [{"key": "spectrogram.dev/pool", "value": "large", "effect": "NoSchedule"}],
        "priorityClassName": "low",
        "schedulerName": "volcano",
        "runtimeClassName": "gvisor",
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [{"maxSkew": 1}],
        "podLabels": {"team": "radio"},
        "podAnnotations": {"a": "b c"},
    }
    settings = read_settings(pools(large_jobs=large))
    pool = settings.policy.pools[LARGE]
    assert (pool.memory_bytes, pool.max_memory_bytes, pool.cpu, pool.max_concurrent) == (
        8 * GIBIBYTE,
        16 * GIBIBYTE,
        "4",
        0,
    )
    assert (pool.max_per_namespace, pool.total_memory_bytes) == (3, 64 * GIBIBYTE)
    assert pool.tolerations == ({"key": "spectrogram.dev/pool", "value": "large", "effect": "NoSchedule"},)
    assert (pool.node_selector, pool.pod_labels) == ({"spectrogram.dev/pool": "large"}, {"team": "radio"})
    assert (pool.priority_class_name, pool.scheduler_name) == ("low", "volcano")
    assert (pool.runtime_class_name, pool.affinity) == ("gvisor", {"nodeAffinity": {}})
    assert (pool.topology_spread_constraints, pool.pod_annotations) == (({"maxSkew": 1},), {"a": "b c"})
    assert settings.policy.pools[DEFAULT] == Policy().pools[DEFAULT]


def test_a_total_below_what_one_pod_may_have_is_refused() -> None:
    with pytest.raises(SettingsError, match="totalMemory 2Gi below its maxMemory 4Gi"):
        read_settings(pools(default={"totalMemory": "2Gi"}))


def test_a_limit_that_follows_from_the_nodes_is_for_an_operator_of_all_namespaces() -> None:
    """Until nodes are known, one job runs at once."""
    auto = pools(large_jobs={"maxConcurrent": "auto"})
    found = read_settings(auto).policy.pools
    assert (found[LARGE].auto_concurrent, found[LARGE].max_concurrent) == (True, 1)
    assert (found[DEFAULT].auto_concurrent, found[DEFAULT].max_concurrent) == (False, 2)
    with pytest.raises(SettingsError, match="SPECTROGRAM_NAMESPACES=lab names some: write a number, or name none"):
        read_settings({"SPECTROGRAM_NAMESPACES": "lab", **auto})
    for wrong in ("all", -1, 1.5, 100_001, True):
        with pytest.raises(
            SettingsError, match=r"is no number of jobs: write a whole number from 0 to 100000, or auto"
        ):
            read_settings(pools(default={"maxConcurrent": wrong}))


def test_shown_pools_can_be_written_back() -> None:
    written = pools(
        default={"cpu": "500m", "maxConcurrent": 0, "podLabels": {"a": "b"}},
        large_jobs={
            "memory": "auto",
            "maxConcurrent": "auto",
            "maxPerNamespace": 1,
            "totalMemory": "1Ti",
            "affinity": {"podAffinity": {}},
        },
    )
    settings = read_settings(written)
    again = read_settings({"SPECTROGRAM_POOLS": row(settings, "SPECTROGRAM_POOLS")[0]})
    assert again.policy == settings.policy


def test_the_default_pool_s_memory_follows_the_replaced_system_s_limit() -> None:
    settings = read_settings({"CELERY_WORKER_MAX_MEMORY_PER_CHILD": str(8 * GIBIBYTE)})
    pool = settings.policy.pools[DEFAULT]
    assert (pool.memory_bytes, pool.max_memory_bytes) == (8 * GIBIBYTE, 8 * GIBIBYTE)
    assert row(settings, "SPECTROGRAM_DEFAULT_MEMORY") == ("8Gi", "CELERY_WORKER_MAX_MEMORY_PER_CHILD")


def test_the_pool_s_own_memory_wins_and_is_named_as_the_source() -> None:
    settings = read_settings({"CELERY_WORKER_MAX_MEMORY_PER_CHILD": "2Gi", **pools(default={"memory": "3Gi"})})
    assert settings.policy.pools[DEFAULT].memory_bytes == 3 * GIBIBYTE
    assert row(settings, "SPECTROGRAM_DEFAULT_MEMORY") == ("3Gi", "SPECTROGRAM_POOLS")


def test_memory_that_follows_from_the_estimate() -> None:
    """`memory_bytes` stays what an attempt gets whose status does not say: never more than its pool allows."""
    settings = read_settings({"SPECTROGRAM_DEFAULT_MEMORY": "auto", **pools(large_jobs={"maxMemory": "8Gi"})})
    default, large = settings.policy.pools[DEFAULT], settings.policy.pools[LARGE]
    assert (default.auto_memory, default.memory_bytes, large.auto_memory) == (True, GIBIBYTE, False)
    assert row(settings, "SPECTROGRAM_DEFAULT_MEMORY") == ("auto", "SPECTROGRAM_DEFAULT_MEMORY")

    settings = read_settings(
        {
            "SPECTROGRAM_DEFAULT_MEMORY": "2Gi",
            **pools(default={"memory": "auto"}, large_jobs={"memory": "auto", "maxMemory": "3Gi"}),
        }
    )
    default, large = settings.policy.pools[DEFAULT], settings.policy.pools[LARGE]
    assert (default.auto_memory, default.memory_bytes) == (True, 2 * GIBIBYTE)
    assert (large.auto_memory, large.memory_bytes, large.max_memory_bytes) == (True, 3 * GIBIBYTE, 3 * GIBIBYTE)
    assert row(settings, "SPECTROGRAM_DEFAULT_MEMORY") == ("auto", "SPECTROGRAM_POOLS")

    fixed = read_settings({"SPECTROGRAM_DEFAULT_MEMORY": "auto", **pools(default={"memory": "2Gi"})})
    assert (fixed.policy.pools[DEFAULT].auto_memory, fixed.policy.pools[DEFAULT].memory_bytes) == (False, 2 * GIBIBYTE)
    with pytest.raises(SettingsError, match="in bytes, or auto"):
        read_settings({"SPECTROGRAM_DEFAULT_MEMORY": "Auto"})


def test_a_store_is_a_claim_or_a_bucket() -> None:
    archive = {
        "endpoint": "https://s3.example.org:9000",
        "bucket": "recordings",
        "prefix": "survey/2026/",
        "region": "eu-central-1",
        "credentialsSecret": "archive-keys",
        "serviceAccount": "archive-reader",
    }
    within = {"bucket": "radio_2", "endpoint": "http://minio.storage.svc:9000", "prefix": None, "region": None}
    policy = read_settings(stores(archive=archive, shelf={"claimName": "tape"}, own={"bucket": "radio"}, within=within))
    assert policy.policy.stores == {
        "archive": Store(
            bucket=Bucket(
                store="archive",
                bucket="recordings",
                prefix="survey/2026",
                endpoint="https://s3.example.org:9000",
                region="eu-central-1",
            ),
            credentials_secret="archive-keys",
            service_account="archive-reader",
        ),
        "shelf": Store(claim_name="tape"),
        "own": Store(bucket=Bucket(store="own", bucket="radio")),
        "within": Store(bucket=Bucket(store="within", bucket="radio_2", endpoint="http://minio.storage.svc:9000")),
    }


def test_allowed_hosts_are_a_list_without_repetition() -> None:
    policy = read_settings(hosts("Data.Example.org", "*.sdr.example:8443", "data.example.org", "10.0.0.7")).policy
    assert policy.allowed_url_hosts == ("data.example.org", "*.sdr.example:8443", "10.0.0.7")


def test_stores_and_hosts_are_shown() -> None:
    written = stores(archive={"bucket": "recordings", "credentialsSecret": "archive-keys"}) | hosts("data.example.org")
    lines = show_settings(read_settings(written)).splitlines()
    assert f"SPECTROGRAM_STORES={written['SPECTROGRAM_STORES']}" in lines
    (shown,) = (line for line in lines if line.startswith("SPECTROGRAM_ALLOWED_URL_HOSTS"))
    assert shown.split()[1:3] == ['["data.example.org"]', "SPECTROGRAM_ALLOWED_URL_HOSTS"]


NO_HOST = "is no host: write data.example.org, *.example.org for every host below it, or data.example.org:8443"


@pytest.mark.parametrize(
    "name",
    [
        *("", "*", "*.", "*.*.example.org", "data*.example.org", "data.*.org", ".example.org", "example.org."),
        *("https://data.example.org", "data.example.org/", "me@data.example.org", "data example.org", "dätä.example"),
        *("data.example.org:", "data.example.org:0", "data.example.org:65536", "data.example.org:https", "[::1]"),
    ],
)
def test_what_is_no_host(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(hosts("data.example.org", name))
    assert f"allowedUrlHosts.1: {name!r} {NO_HOST}" in str(caught.value)


@pytest.mark.parametrize(
    "endpoint",
    [
        *("", "s3.example.org", "s3://s3.example.org", "ftp://s3.example.org", "https://s3.example.org/", "https://"),
        *("https://s3.example.org/path", "https://me:secret@s3.example.org", "https://s3.example.org:0"),
        *("https://s3.example.org?a=b", "https://s3.example.org:99999", "https://s3 .example.org"),
    ],
)
def test_what_is_no_endpoint(endpoint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(stores(archive={"bucket": "recordings", "endpoint": endpoint}))
    words = "is no endpoint: write https://HOST or https://HOST:PORT, or http:// within a cluster; no path"
    assert f"stores.archive.endpoint: {endpoint!r} {words}" in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (stores(archive={}), "stores.archive: a store is a claim or a bucket: write one of claimName and bucket"),
        (stores(archive={"endpoint": "https://a"}), "stores.archive: a store is a claim or a bucket: write one of"),
        (
            stores(archive={"claimName": "a", "bucket": "recordings"}),
            "stores.archive: a store is a claim or a bucket: write one of claimName and bucket",
        ),
        (
            stores(archive={"claimName": "a", "credentialsSecret": "b"}),
            "stores.archive: a claim has no endpoint, prefix, region, Secret or account: write claimName alone",
        ),
        (stores(archive={"bucket": "a/b"}), "stores.archive.bucket: 'a/b' is no bucket: write its name alone, letters"),
        (stores(archive={"bucket": "s3://recordings"}), "stores.archive.bucket: 's3://recordings' is no bucket"),
        (
            stores(archive={"bucket": "abc", "prefix": "/a"}),
            "stores.archive.prefix: '/a' must be relative to the claim or store: write it without a leading '/'",
        ),
        (stores(archive={"bucket": "abc", "prefix": "a/.."}), "stores.archive.prefix: 'a/..' must be relative"),
        (stores(archive={"bucket": "abc", "region": "Europe 1"}), "stores.archive.region: 'Europe 1' is no region"),
        (
            stores(archive={"bucket": "abc", "credentialsSecret": "A"}),
            "stores.archive.credentialsSecret: 'A' is no name",
        ),
        (stores(archive={"bucket": "abc", "serviceAccount": "a/b"}), "stores.archive.serviceAccount: 'a/b' is no name"),
        (stores(archive={"bucket": "abc", "secretKey": "x"}), "stores.archive.secretKey: unknown field"),
        (stores(Archive={"claimName": "a"}), "stores.Archive.[key]: 'Archive' is no name: write lower-case letters"),
        ({"SPECTROGRAM_STORES": "[]"}, "SPECTROGRAM_STORES=[]: stores: Input should be an object"),
        ({"SPECTROGRAM_STORES": "{"}, "SPECTROGRAM_STORES={: stores: Invalid JSON"),
        ({"SPECTROGRAM_KUEUE": "yes"}, "SPECTROGRAM_KUEUE=yes: write one of true, false"),
        ({"SPECTROGRAM_ALLOWED_URL_HOSTS": "a.org"}, "SPECTROGRAM_ALLOWED_URL_HOSTS=a.org: allowedUrlHosts: Invalid"),
        (hosts(*["a.org"] * 65), "allowedUrlHosts: Tuple should have at most 64 items"),
        ({"CELERY_TASK_TIME_LIMIT": "ten"}, "CELERY_TASK_TIME_LIMIT=ten: write a whole number from 1 to 31536000"),
        (
            {"SPECTROGRAM_SOFT_TIME_LIMIT": "-1"},
            "SPECTROGRAM_SOFT_TIME_LIMIT=-1: write a whole number from 1 to 31536000",
        ),
        ({"MEMORY_SAFEGUARD_THRESHOLD": "nan"}, "MEMORY_SAFEGUARD_THRESHOLD=nan: write a number from 1 to 100"),
        ({"MEMORY_SAFEGUARD_THRESHOLD": "101"}, "MEMORY_SAFEGUARD_THRESHOLD=101: write a number from 1 to 100"),
        ({"JOB_POLL_INTERVAL": "0"}, "JOB_POLL_INTERVAL=0: write a number from 0.01 to 31536000"),
        ({"JOB_POLL_INTERVAL": "inf"}, "JOB_POLL_INTERVAL=inf: write a number from 0.01 to 31536000"),
        ({"SPECTROGRAM_LOG_LEVEL": "loud"}, "SPECTROGRAM_LOG_LEVEL=loud: write one of debug, info, warning, error"),
        (
            {"CELERY_WORKER_MAX_MEMORY_PER_CHILD": "1024"},
            "CELERY_WORKER_MAX_MEMORY_PER_CHILD=1024: write at least 64Mi, as a quantity such as 1Gi, or in bytes",
        ),
        (
            {"SPECTROGRAM_SCRATCH_SIZE": "1GB"},
            "SPECTROGRAM_SCRATCH_SIZE=1GB: write at least 16Mi, as a quantity such as 1Gi, or in bytes",
        ),
        (
            {"SPECTROGRAM_NAMESPACES": "lab,Team_A"},
            "SPECTROGRAM_NAMESPACES=lab,Team_A: write names of namespaces, separated by commas; 'Team_A' is none",
        ),
        (
            {"CELERY_TASK_SOFT_TIME_LIMIT": "900"},
            "CELERY_TASK_SOFT_TIME_LIMIT=900 must be less than SPECTROGRAM_HARD_TIME_LIMIT=900: change one of them",
        ),
        (
            {"SPECTROGRAM_BACKOFF": "601"},
            "SPECTROGRAM_BACKOFF=601 must be at most SPECTROGRAM_MAX_BACKOFF=600: change one of them",
        ),
        (
            {"SPECTROGRAM_REFUSAL_WAIT": "301"},
            "SPECTROGRAM_REFUSAL_WAIT=301 must be at most SPECTROGRAM_MAX_REFUSAL_WAIT=300: change one of them",
        ),
        (
            {"SPECTROGRAM_HEALTH_PORT": "9090"},
            "SPECTROGRAM_HEALTH_PORT=9090 must be another port than SPECTROGRAM_METRICS_PORT=9090: change one of them",
        ),
        (pools(huge={}), "pools.huge.[key]: Input should be 'default' or 'large_jobs'"),
        (pools(default={"memori": "1Gi"}), "pools.default.memori: unknown field"),
        (pools(default={"memory": "1GB"}), "pools.default.memory: '1GB' is not a quantity"),
        (pools(default={"maxMemory": "1GB"}), "pools.default.maxMemory: '1GB' is not a quantity"),
        (pools(default={"tolerations": [{"effect": "No"}]}), "pools.default.tolerations.0.effect: Input should be"),
        (
            pools(default={"memory": "8Gi", "maxMemory": "4Gi"}),
            "pool of default has memory 8Gi above its maxMemory 4Gi",
        ),
        ({"SPECTROGRAM_POOLS": "{"}, "SPECTROGRAM_POOLS={: pools: Invalid JSON"),
    ],
)
def test_a_bad_value_gives_one_line_that_names_the_variable(environ: dict[str, str], line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    message = str(caught.value)
    assert line in message
    assert "\n" not in message
    assert any(name in message for name in environ)
    assert caught.value.exit_code == 78


def test_a_misspelt_setting_is_pointed_out_and_nothing_else_is() -> None:
    environ = {
        "SPECTROGRAM_SOFT_LIMIT": "60",
        "CELERY_TASK_TIMELIMIT": "60",
        "SPECTROGRAM_OPERATOR_SERVICE_HOST": "10.0.0.7",
        "SPECTROGRAM_JOB": "{}",
        "PATH": "/bin",
    }
    assert read_settings(environ).warnings == (
        "CELERY_TASK_TIMELIMIT is no setting; CELERY_TASK_TIME_LIMIT is",
        "SPECTROGRAM_SOFT_LIMIT is no setting; SPECTROGRAM_SOFT_TIME_LIMIT is",
    )


def test_the_table_shows_every_setting_its_value_and_its_source() -> None:
    environ = {"CELERY_TASK_TIME_LIMIT": "1200", "SPECTROGRAM_SOFT_LIMIT": "60"}
    lines = show_settings(read_settings(environ)).splitlines()
    assert lines[0].split() == ["NAME", "VALUE", "SOURCE", "DESCRIPTION"]
    assert [line.split()[0] for line in lines[1 : len(SETTINGS) + 1]] == [setting.name for setting in SETTINGS]
    (hard,) = (line for line in lines if line.startswith("SPECTROGRAM_HARD_TIME_LIMIT"))
    assert hard.split()[1:4] == ["1200", "s", "CELERY_TASK_TIME_LIMIT"]
    assert "(also CELERY_TASK_TIME_LIMIT)" in hard
    assert any(line.startswith('SPECTROGRAM_POOLS={"default": {"memory": "1Gi", "maxMemory": "4Gi"') for line in lines)
    assert lines[-1].startswith("warning: SPECTROGRAM_SOFT_LIMIT is no setting")


def test_names_are_unique_and_described() -> None:
    names = [name for setting in SETTINGS for name in setting.names]
    assert len(names) == len(set(names))
    assert all(setting.description and setting.name.startswith("SPECTROGRAM_") for setting in SETTINGS)
