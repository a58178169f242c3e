"""The worker pod, whatever the job says: Pod Security `restricted`, no token, limits that hold (rule 30)."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes.client import V1Pod

from spectrogram_operator.api.quantity import parse_bytes
from spectrogram_operator.api.spec import QueueName
from spectrogram_operator.api.status import Attempt, AttemptState
from spectrogram_operator.core.building.podspec import build_pod, pod_name, spec_hash, time_limits, worker_document
from spectrogram_operator.core.policy import GIBIBYTE, Policy, Pool, Store
from spectrogram_worker.contract import WorkerDocument
from spectrogram_worker.contract.document import ENVIRONMENT_VARIABLE, MAXIMUM_DOCUMENT_BYTES, Bucket, Places
from unit.operator.core.play import build_job
from unit.operator.core.strategies import ALLOWED_HOSTS, STORES, specs

AFFINITY = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}}
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
LARGE_POOL = Pool(
    memory_bytes=4 * GIBIBYTE,
    max_memory_bytes=16 * GIBIBYTE,
    node_selector={"pool": "large"},
    tolerations=({"key": "pool", "operator": "Equal", "value": "large", "effect": "NoSchedule"},),
    priority_class_name="batch",
    scheduler_name="bin-packing",
    runtime_class_name="gvisor",
    affinity=AFFINITY,
    topology_spread_constraints=(SPREAD,),
    pod_annotations={"team": "radio", "spectrogram.dev/spec-hash": "something-else"},
    pod_labels={"team": "radio", "app.kubernetes.io/name": "something-else"},
)
POLICY = Policy(
    worker_image="registry/worker@sha256:1",
    image_pull_secrets=("registry", "mirror"),
    service_account="worker",
    pools={
        QueueName.DEFAULT: Pool(memory_bytes=GIBIBYTE, max_memory_bytes=4 * GIBIBYTE),
        QueueName.LARGE_JOBS: LARGE_POOL,
    },
    stores=STORES,
    allowed_url_hosts=ALLOWED_HOSTS,
    scratch_bytes=5 * GIBIBYTE,
)
RESTRICTED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip


def attempt(pool: str = "default", number: int = 1, memory: int = GIBIBYTE) -> Attempt:
    """A reserved attempt."""
    return Attempt(
        number=number,
        state=AttemptState.CREATING,
        pod_name=pod_name(build_job(), number),
        pool=pool,
        memory_bytes=memory,
    )


def build(pool: str = "default", **spec: Any) -> dict[str, Any]:
    """The pod of a job with this in its spec."""
    return build_pod(build_job(**spec), attempt(pool), POLICY)


def test_a_pod_that_kueue_queues_has_its_label_and_its_gate_from_the_beginning() -> None:
    forged = replace(LARGE_POOL, pod_labels={"kueue.x-k8s.io/queue-name": "another"})
    policy = replace(POLICY, kueue=True, pools={**POLICY.pools, QueueName.LARGE_JOBS: forged})
    pod = build_pod(build_job(queueName="team-a"), attempt("large_jobs"), policy)
    assert pod["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    assert pod["spec"]["schedulingGates"] == [{"name": "kueue.x-k8s.io/admission"}]
    assert "schedulingGates" not in build()["spec"]
    assert "kueue.x-k8s.io/queue-name" not in build()["metadata"]["labels"]


def document(pod: dict[str, Any]) -> WorkerDocument:
    """What the pod's worker will read."""
    variable, *_ = pod["spec"]["containers"][0]["env"]
    assert variable["name"] == ENVIRONMENT_VARIABLE
    return WorkerDocument.model_validate_json(variable["value"])


def violations(pod: dict[str, Any]) -> list[str]:
    """What Pod Security `restricted` refuses of a pod (kubernetes.io/docs/concepts/security/pod-security-standards)."""
    spec, context = pod["spec"], pod["spec"]["securityContext"]
    found = [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    found += ["runAsNonRoot"] if context.get("runAsNonRoot") is not True else []
    found += ["runAsUser"] if context.get("runAsUser") == 0 else []
    found += ["seccomp"] if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost") else []
    found += ["sysctls"] if context.get("sysctls") else []
    for volume in spec["volumes"]:
        found += [f"volume {volume['name']}"] if not set(volume) - {"name"} <= RESTRICTED_VOLUMES else []
    for container in [*spec["containers"], *spec.get("initContainers", ()), *spec.get("ephemeralContainers", ())]:
        own = container["securityContext"]
        found += ["privileged"] if own.get("privileged") else []
        found += ["allowPrivilegeEscalation"] if own.get("allowPrivilegeEscalation") is not False else []
        found += ["capabilities"] if own["capabilities"] != {"drop": ["ALL"]} else []
        found += ["own user"] if {"runAsUser", "runAsNonRoot", "seccompProfile", "procMount"} & set(own) else []
        found += ["hostPort"] if any("hostPort" in port for port in container.get("ports", ())) else []
    return found


@settings(max_examples=150, deadline=None)
@given(specs(), st.sampled_from([("default", 1), ("large_jobs", 12), ("gone", 3)]), st.integers(0, 2**62))
def test_every_pod_is_restricted_and_complete(spec: dict[str, Any], which: tuple[str, int], memory: int) -> None:
    pool, number = which
    pod = build_pod(build_job(**spec), attempt(pool, number, memory), POLICY)
    assert violations(pod) == []
    V1Pod.from_dict(pod)
    pod_spec, (container,) = pod["spec"], pod["spec"]["containers"]
    assert pod_spec["serviceAccountName"] in {"worker", *(store.service_account for store in STORES.values())} - {""}
    assert pod_spec["automountServiceAccountToken"] is False
    assert (container["image"], pod_spec["restartPolicy"]) == ("registry/worker@sha256:1", "Never")
    assert not {"command", "args", "envFrom"} & set(container)
    volumes = {volume["name"]: volume for volume in pod_spec["volumes"]}
    assert len(volumes) == len(pod_spec["volumes"])
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    own = {spec[side].get("claimName") for side in ("input", "output")} | {"results"}
    for volume in volumes.values():
        assert volume["name"] == "scratch" or volume["persistentVolumeClaim"]["claimName"] in own
    for variable in container["env"][1:]:
        assert variable["valueFrom"]["secretKeyRef"]["name"] == "archive-keys"
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert 1 <= pod_spec["activeDeadlineSeconds"] <= 2**31 - 1
    assert len(container["env"][0]["value"].encode()) <= MAXIMUM_DOCUMENT_BYTES
    told = document(pod)
    assert told.limits.memory_bytes == parse_bytes(container["resources"]["limits"]["memory"])
    assert told.limits.memory_bytes > 0
    assert told.limits.scratch_bytes == 5 * GIBIBYTE
    assert len(pod["metadata"]["name"]) <= 63


def test_a_default_job_has_a_gibibyte_and_fifteen_minutes() -> None:
    pod = build()
    limits = pod["spec"]["containers"][0]["resources"]["limits"]
    assert limits["memory"] == "1Gi"
    assert (pod["spec"]["activeDeadlineSeconds"], document(pod).limits.soft_seconds) == (900, 600)
    assert pod["spec"]["terminationGracePeriodSeconds"] == 30
    assert "graceSeconds" not in pod["spec"]["containers"][0]["env"][0]["value"]  # an older worker takes it for 30


def test_a_worker_knows_how_long_its_grace_period_is() -> None:
    pod = build_pod(build_job(), attempt(), replace(POLICY, termination_grace_seconds=5))
    assert pod["spec"]["terminationGracePeriodSeconds"] == document(pod).limits.grace_seconds == 5


@pytest.mark.parametrize(
    ("given_limits", "soft", "hard"),
    [
        (None, 600, 900),
        ({}, 600, 900),
        ({"softSeconds": 60}, 60, 900),
        ({"softSeconds": 890}, 890, 1190),
        ({"softSeconds": 3600}, 3600, 3900),
        ({"hardSeconds": 7200}, 600, 7200),
        ({"hardSeconds": 300}, 200, 300),
        ({"hardSeconds": 2}, 1, 2),
        ({"softSeconds": 5, "hardSeconds": 6}, 5, 6),
    ],
)
def test_the_time_limits_of_an_attempt(given_limits: dict[str, int] | None, soft: int, hard: int) -> None:
    given: dict[str, Any] = {} if given_limits is None else {"timeLimits": given_limits}
    spec = build_job(**given).spec
    assert time_limits(spec, POLICY) == (soft, hard)


def test_the_input_is_read_only() -> None:
    pod = build()
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert volumes["input"]["persistentVolumeClaim"] == {"claimName": "recordings", "readOnly": True}
    assert volumes["output"]["persistentVolumeClaim"] == {"claimName": "results"}
    mounts = {mount["mountPath"]: mount for mount in pod["spec"]["containers"][0]["volumeMounts"]}
    assert mounts["/data/input"] == {"name": "input", "mountPath": "/data/input", "readOnly": True}
    assert set(mounts) == {"/data/input", "/data/output", "/scratch"}


def test_one_claim_for_both_is_one_volume() -> None:
    pod = build(output={"claimName": "recordings"})
    claims = [volume for volume in pod["spec"]["volumes"] if "persistentVolumeClaim" in volume]
    assert [volume["persistentVolumeClaim"] for volume in claims] == [{"claimName": "recordings"}]
    mounts = {mount["mountPath"]: mount for mount in pod["spec"]["containers"][0]["volumeMounts"]}
    assert (mounts["/data/input"]["name"], mounts["/data/input"]["readOnly"]) == (claims[0]["name"], True)


def test_the_worker_knows_how_much_scratch_there_is() -> None:
    pod = build()
    size = "5Gi"
    assert pod["spec"]["volumes"][0] == {"name": "scratch", "emptyDir": {"sizeLimit": size}}
    assert pod["spec"]["containers"][0]["resources"]["limits"]["ephemeral-storage"] == size
    assert document(pod).limits.scratch_bytes == 5 * GIBIBYTE


def build_stored(source: dict[str, Any], target: dict[str, Any], policy: Policy = POLICY) -> dict[str, Any]:
    """The pod of a job that reads and writes there."""
    return build_pod(build_job(input=source, output=target), attempt(), policy)


def claims(pod: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """Where which claim is mounted, and whether it may only be read."""
    names = {v["name"]: v["persistentVolumeClaim"]["claimName"] for v in pod["spec"]["volumes"][1:]}
    mounts = pod["spec"]["containers"][0]["volumeMounts"]
    return {m["mountPath"]: (names[m["name"]], m.get("readOnly", False)) for m in mounts if m["name"] in names}


SHELF = {"store": "shelf", "path": "fm.drf"}
ARCHIVE = {"store": "archive", "path": "fm.drf"}


@pytest.mark.parametrize(
    ("source", "target", "mounted"),
    [
        (SHELF, {"claimName": "mine"}, {"/data/input": ("results", True), "/data/output": ("mine", False)}),
        (SHELF, {"store": "shelf"}, {"/data/input": ("results", True), "/data/output": ("results", False)}),
        (SHELF, {"claimName": "results"}, {"/data/input": ("results", True), "/data/output": ("results", False)}),
        (SHELF, {"store": "archive"}, {"/data/input": ("results", True)}),
        (ARCHIVE, {"claimName": "mine"}, {"/data/output": ("mine", False)}),
        (ARCHIVE, {"store": "shelf"}, {"/data/output": ("results", False)}),
        (ARCHIVE, {"store": "archive"}, {}),
        ({"url": "https://data.example.org/fm.wav"}, {"store": "cloud"}, {}),
    ],
)
def test_a_store_that_is_a_claim_is_mounted_as_one_and_no_other_is(
    source: dict[str, Any], target: dict[str, Any], mounted: dict[str, tuple[str, bool]]
) -> None:
    pod = build_stored(source, target)
    assert claims(pod) == mounted
    volumes = pod["spec"]["volumes"]
    assert len(volumes) == 1 + len({claim for claim, _ in mounted.values()}), "one volume for each claim"
    read_only = [v["persistentVolumeClaim"].get("readOnly", False) for v in volumes[1:] if v["name"] == "input"]
    assert all(read_only)


def secret(side: str, key: str, optional: bool) -> dict[str, Any]:
    reference = {"name": "archive-keys", "key": key, "optional": optional}
    return {"name": f"SPECTROGRAM_{side}_{key}", "valueFrom": {"secretKeyRef": reference}}


def secrets(side: str) -> list[dict[str, Any]]:
    keys = {"AWS_ACCESS_KEY_ID": False, "AWS_SECRET_ACCESS_KEY": False, "AWS_SESSION_TOKEN": True}
    return [secret(side, key, optional) for key, optional in keys.items()]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (ARCHIVE, {"claimName": "mine"}, secrets("INPUT")),
        (SHELF, {"store": "archive"}, secrets("OUTPUT")),
        (ARCHIVE, {"store": "archive"}, [*secrets("INPUT"), *secrets("OUTPUT")]),
        (ARCHIVE, {"store": "cloud"}, secrets("INPUT")),
        (SHELF, {"store": "shelf"}, []),
        ({"url": "https://data.example.org/fm.wav"}, {"store": "cloud"}, []),
    ],
)
def test_what_opens_a_store_comes_from_its_secret(
    source: dict[str, Any], target: dict[str, Any], expected: list[dict[str, Any]]
) -> None:
    _, *variables = build_stored(source, target)["spec"]["containers"][0]["env"]
    assert variables == expected


@pytest.mark.parametrize(
    ("source", "target", "account"),
    [
        (ARCHIVE, {"store": "shelf"}, "worker"),
        (ARCHIVE, {"store": "cloud"}, "cloud-reader"),
        ({"store": "cloud", "path": "fm"}, {"claimName": "mine"}, "cloud-reader"),
        ({"store": "cloud", "path": "fm"}, {"store": "cloud"}, "cloud-reader"),
    ],
)
def test_a_store_s_account_is_the_pod_s_still_without_token(
    source: dict[str, Any], target: dict[str, Any], account: str
) -> None:
    spec = build_stored(source, target)["spec"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == (account, False)


def test_the_worker_is_told_of_buckets_and_addresses() -> None:
    bucket = Bucket(store="archive", bucket="recordings", endpoint="https://s3.example.org", prefix="p")
    store = Store(bucket=bucket, credentials_secret="keys")
    policy = replace(POLICY, stores={"archive": store}, allowed_url_hosts=("*.example.org", "a.org"))
    assert document(build_stored(ARCHIVE, {"claimName": "mine"}, policy)).places == Places(input_bucket=bucket)
    assert document(build_stored(ARCHIVE, {"store": "archive"}, policy)).places == Places(
        input_bucket=bucket, output_bucket=bucket
    )
    address = "https://data.example.org/2026/my%20band.wav?token=/x/y"
    told = document(build_stored({"url": address, "channel": "1"}, {"claimName": "mine"}, policy))
    assert told.places == Places(input_url=address, allowed_url_hosts=("*.example.org", "a.org"))
    assert (told.input.path, told.input.channel) == ("my band.wav", "1")
    assert document(build()).places == Places()


def test_each_pool_has_its_nodes() -> None:
    pod = build("large_jobs")["spec"]
    assert pod["nodeSelector"] == {"pool": "large"}
    assert pod["tolerations"] == [{"key": "pool", "operator": "Equal", "value": "large", "effect": "NoSchedule"}]
    assert (pod["priorityClassName"], pod["schedulerName"]) == ("batch", "bin-packing")
    assert (pod["runtimeClassName"], pod["affinity"]) == ("gvisor", AFFINITY)
    assert pod["topologySpreadConstraints"] == [SPREAD]
    plain = build("default")["spec"]
    assert (plain["nodeSelector"], plain["tolerations"]) == ({}, [])
    optional = {"priorityClassName", "schedulerName", "runtimeClassName", "affinity", "topologySpreadConstraints"}
    assert not optional & set(plain)


def test_every_pod_may_pull_its_image() -> None:
    assert build()["spec"]["imagePullSecrets"] == [{"name": "registry"}, {"name": "mirror"}]
    assert "imagePullSecrets" not in build_pod(build_job(), attempt(), Policy())["spec"]


def test_a_pod_belongs_to_its_job_by_uid_and_labels_of_the_pool_do_not_hide_ours() -> None:
    job = build_job()
    metadata = build("large_jobs")["metadata"]
    (owner,) = metadata["ownerReferences"]
    assert (owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == (job.uid, True, True)
    assert "finalizers" not in metadata
    assert metadata["annotations"] == {"team": "radio", "spectrogram.dev/spec-hash": spec_hash(job.spec)}
    assert metadata["labels"] == {
        "team": "radio",
        "app.kubernetes.io/name": "spectrogram-worker",
        "app.kubernetes.io/component": "worker",
        "app.kubernetes.io/part-of": "spectrogram-operator",
        "app.kubernetes.io/managed-by": "spectrogram-operator",
        "spectrogram.dev/job-name": job.name,
        "spectrogram.dev/job-uid": job.uid,
        "spectrogram.dev/attempt": "1",
        "spectrogram.dev/queue": "large_jobs",
    }


@pytest.mark.parametrize(
    ("pool", "spec", "limit"),
    [("default", {}, 500_000_000), ("large_jobs", {}, None), ("default", {"queue": "default"}, None)],
)
def test_only_a_worker_that_may_move_is_told_to_ask(pool: str, spec: dict[str, Any], limit: int | None) -> None:
    assert document(build(pool, **spec)).limits.large_dataset_bytes == limit


def test_a_name_that_is_too_long_for_a_label_is_none() -> None:
    """The API server would refuse the pod; whose it is the UID says."""
    for name, labels in (("f" * 63, {"spectrogram.dev/job-name": "f" * 63}), ("f" * 64, {})):
        job = replace(build_job(), name=name)
        found = build_pod(job, attempt(), Policy())["metadata"]["labels"]
        assert {key: value for key, value in found.items() if key == "spectrogram.dev/job-name"} == labels
        assert found["spectrogram.dev/job-uid"] == job.uid


@pytest.mark.parametrize("name", ["fm", "f" * 253, "a.b." * 20 + "c", "a" * 39 + ".b", "1"])
@pytest.mark.parametrize("number", [1, 10, 9999])
def test_a_pod_s_name_is_a_host_name_of_its_own(name: str, number: int) -> None:
    job = replace(build_job(), name=name)
    found = pod_name(job, number)
    assert len(found) <= 63
    assert all((part.isalnum() and part.islower()) or part.isdigit() for part in found.replace("-", ""))
    assert found.endswith(f"-a{number}")
    assert found == pod_name(job, number)
    assert found != pod_name(replace(job, uid="a job of the same name, made anew"), number)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        (
            {"priority": 5, "retry": {"limit": 0}, "resources": {"memory": "2Gi"}, "timeLimits": {"softSeconds": 5}},
            True,
        ),
        ({"transform": {"fftSize": 2048}}, False),
        ({"reduce": {"columns": 100}}, False),
        ({"input": {"claimName": "recordings", "path": "other"}}, False),
        ({"input": {"claimName": "others", "path": "2026-11/fm.drf"}}, False),
        ({"input": {"store": "recordings", "path": "2026-11/fm.drf"}}, False),
        ({"input": {"url": "https://data.example.org/2026-11/fm.drf"}}, False),
        ({"output": {"store": "results"}}, False),
        ({"output": {"claimName": "results", "path": "other"}}, False),
        ({"frequencyRange": {"lower": 1, "upper": 2}}, False),
    ],
)
def test_the_spec_s_hash_names_what_decides_the_result(changes: dict[str, Any], same: bool) -> None:
    before, after = build_job().spec, build_job(**changes).spec
    assert before is not None
    assert after is not None
    assert (spec_hash(before) == spec_hash(after)) is same


def test_the_worker_is_told_the_job_s_own_parameters() -> None:
    job = build_job(transform={"fftSize": 2048}, resources={"cpu": "2500m"}, output={"claimName": "results"})
    told = worker_document(job, attempt(number=3), POLICY)
    assert (told.job.title, told.job.attempt, told.output_path) == ("radio/fm-band", 3, "fm-band")
    assert (told.transform.fft_size, told.limits.threads, told.input.path) == (2048, 2, "2026-11/fm.drf")
