"""The worker pod of one attempt, built from validated models and the policy; nothing of a user's is merged into it."""

import hashlib
import json
from typing import Any

from spectrogram_operator.api.job import Job, ValidJob
from spectrogram_operator.api.names import (
    ANNOTATION_SPEC_HASH,
    API_VERSION,
    KIND,
    LABEL_ATTEMPT,
    LABEL_JOB_NAME,
    LABEL_JOB_UID,
    LABEL_QUEUE,
    MAIN_CONTAINER,
    OPERATOR,
)
from spectrogram_operator.api.quantity import bytes_quantity
from spectrogram_operator.api.spec import QueueName, SpectrogramJobSpec
from spectrogram_operator.api.status import Attempt
from spectrogram_operator.core.building.kueue import gates, queue_label
from spectrogram_operator.core.building.restricted import CONTAINER_SECURITY, pod_security
from spectrogram_operator.core.building.sizing import attempt_cpu, granted_memory, named_queue, transform_threads
from spectrogram_operator.core.building.stores import file_path, service_account, store_of, worker_places
from spectrogram_operator.core.policy import Policy, Pool, Store
from spectrogram_worker.contract import WorkerDocument
from spectrogram_worker.contract.base import Model
from spectrogram_worker.contract.document import (
    CREDENTIALS,
    ENVIRONMENT_VARIABLE,
    INPUT_CREDENTIALS,
    OUTPUT_CREDENTIALS,
    PROGRESS_PORT,
    PROGRESS_PORT_NAME,
    USUAL_GRACE_SECONDS,
    Folders,
    JobReference,
    Limits,
)
from spectrogram_worker.contract.parameters import OutputSelection, RecordingOptions, RecordingSelection

LONGEST_LABEL = 63
"""Characters of a label's value. A job's name may have more; its form is that of a label's value in any case."""
_RESULT_FIELDS = {"input", "transform", "reduce", "frequency_range", "output"}


def pod_name(job: Job, attempt: int) -> str:
    """The one name that attempt `attempt` of this job can have, at most 63 characters (rule 7)."""
    return f"{_pod_stem(job.name, job.uid)}-a{attempt}"


def is_pod_name(name: str, job_name: str, job_uid: str) -> bool:
    """Whether a pod of this name can be an attempt of the job of this name and UID."""
    stem, _, attempt = name.rpartition("-a")
    return attempt.isdecimal() and stem == _pod_stem(job_name, job_uid)


def _pod_stem(job_name: str, job_uid: str) -> str:
    digest = hashlib.sha256(job_uid.encode()).hexdigest()[:8]
    stem = job_name[:40].replace(".", "-").rstrip("-")
    return f"{stem}-{digest}"


def time_limits(spec: SpectrogramJobSpec, policy: Policy) -> tuple[int, int]:
    """Soft and hard limit of an attempt, in seconds.

    Where the job states one of them only, the other is the policy's, moved out of the way if it must be.
    """
    given = spec.time_limits
    soft = given.soft_seconds if given else None
    hard = given.hard_seconds if given else None
    if soft is None and hard is None:
        return policy.soft_seconds, policy.hard_seconds
    if hard is None:
        assert soft is not None
        return soft, max(policy.hard_seconds, soft + policy.hard_seconds - policy.soft_seconds)
    return (soft if soft is not None else min(policy.soft_seconds, max(1, hard * 2 // 3))), hard


def spec_hash(spec: SpectrogramJobSpec) -> str:
    """Identifies what decides the result: a retry of the same job finds the outputs of an earlier attempt by it."""
    content = spec.model_dump(mode="json", by_alias=True, exclude_none=True, include=_RESULT_FIELDS)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def worker_document(job: ValidJob, attempt: Attempt, policy: Policy) -> WorkerDocument:
    """What the worker of this attempt is told."""
    spec = job.spec
    queue, grace = named_queue(attempt.pool), policy.termination_grace_seconds
    stays = spec.queue != "auto" or queue is QueueName.LARGE_JOBS
    return WorkerDocument(
        job=JobReference(
            namespace=job.namespace, name=job.name, uid=job.uid, attempt=attempt.number, spec_hash=spec_hash(spec)
        ),
        input=RecordingSelection(path=file_path(spec.input), **_chosen(spec.input, RecordingOptions)),
        transform=spec.transform,
        reduce=spec.reduce,
        frequency_range=spec.frequency_range,
        output=OutputSelection(**_chosen(spec.output, OutputSelection)),
        chunking=spec.chunking,
        limits=Limits(
            soft_seconds=time_limits(spec, policy)[0],
            memory_bytes=granted_memory(attempt, policy),
            safeguard_percent=policy.safeguard_percent,
            threads=transform_threads(attempt_cpu(spec, queue, policy)),
            large_dataset_bytes=None if stays else policy.large_dataset_bytes,
            grace_seconds=None if grace == USUAL_GRACE_SECONDS else grace,
            scratch_bytes=policy.scratch_bytes,
        ),
        places=worker_places(spec, policy),
    )


def build_pod(job: ValidJob, attempt: Attempt, policy: Policy) -> dict[str, Any]:
    """The manifest of the attempt's pod: owned by the job, Pod Security `restricted`, without an API token."""
    spec = job.spec
    queue = named_queue(attempt.pool)
    pool = policy.pools[queue]
    document = worker_document(job, attempt, policy)
    document_json = document.model_dump_json(by_alias=True, exclude_none=True)
    volumes, mounts = _volumes(spec, policy)
    resources = {
        "memory": bytes_quantity(granted_memory(attempt, policy)),
        "cpu": attempt_cpu(spec, queue, policy),
        "ephemeral-storage": bytes_quantity(policy.scratch_bytes),
    }
    pod_spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": time_limits(spec, policy)[1],
        "terminationGracePeriodSeconds": policy.termination_grace_seconds,
        "serviceAccountName": service_account(spec, policy),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": dict(pool.node_selector),
        "tolerations": [dict(toleration) for toleration in pool.tolerations],
        "securityContext": pod_security(policy.run_as_user, policy.fs_group),
        "containers": [
            {
                "name": MAIN_CONTAINER,
                "image": policy.worker_image,
                "imagePullPolicy": policy.image_pull_policy,
                "env": [
                    {"name": ENVIRONMENT_VARIABLE, "value": document_json},
                    *_credentials(INPUT_CREDENTIALS, store_of(spec.input, policy)),
                    *_credentials(OUTPUT_CREDENTIALS, store_of(spec.output, policy)),
                ],
                "ports": [{"name": PROGRESS_PORT_NAME, "containerPort": PROGRESS_PORT}],
                "resources": {"requests": dict(resources), "limits": dict(resources)},
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "securityContext": CONTAINER_SECURITY,
                "volumeMounts": mounts,
            }
        ],
        "volumes": volumes,
    }
    pod_spec |= gates(spec)
    pod_spec |= {name: value for name, value in _optional(pool, policy).items() if value}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(job, attempt.number),
            "namespace": job.namespace,
            "labels": {
                **pool.pod_labels,
                "app.kubernetes.io/name": "spectrogram-worker",
                "app.kubernetes.io/component": "worker",
                "app.kubernetes.io/part-of": "spectrogram-operator",
                "app.kubernetes.io/managed-by": OPERATOR,
                **({LABEL_JOB_NAME: job.name} if len(job.name) <= LONGEST_LABEL else {}),
                LABEL_JOB_UID: job.uid,
                LABEL_ATTEMPT: str(attempt.number),
                LABEL_QUEUE: queue,
                **queue_label(spec),
            },
            "annotations": {**pool.pod_annotations, ANNOTATION_SPEC_HASH: document.job.spec_hash},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": KIND,
                    "name": job.name,
                    "uid": job.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": pod_spec,
    }


def _optional(pool: Pool, policy: Policy) -> dict[str, Any]:
    """What most pools leave to the cluster."""
    return {
        "imagePullSecrets": [{"name": name} for name in policy.image_pull_secrets],
        "priorityClassName": pool.priority_class_name,
        "schedulerName": pool.scheduler_name,
        "runtimeClassName": pool.runtime_class_name,
        "affinity": dict(pool.affinity),
        "topologySpreadConstraints": [dict(constraint) for constraint in pool.topology_spread_constraints],
    }


def _chosen(place: Model, options: type[Model]) -> dict[str, Any]:
    """What of `place` the worker is told."""
    return {name: getattr(place, name) for name in options.model_fields}


def _volumes(spec: SpectrogramJobSpec, policy: Policy) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The volumes of the pod and where they are mounted. What is in a bucket or on the web has none."""
    folders = Folders()
    source, target = (store_of(place, policy) for place in (spec.input, spec.output))
    read, written = source.claim_name if source else "", target.claim_name if target else ""
    # One claim for input and output is one volume: a pod that names a claim twice may not be schedulable. It cannot be
    # read-only then; the input's mount is.
    shared = read == written
    volumes: list[dict[str, Any]] = [
        {"name": "scratch", "emptyDir": {"sizeLimit": bytes_quantity(policy.scratch_bytes)}}
    ]
    mounts: list[dict[str, Any]] = []
    if written:
        volumes.append({"name": "output", "persistentVolumeClaim": {"claimName": written}})
    if read:
        mounts.append({"name": "output" if shared else "input", "mountPath": folders.input, "readOnly": True})
    if read and not shared:
        volumes.append({"name": "input", "persistentVolumeClaim": {"claimName": read, "readOnly": True}})
    if written:
        mounts.append({"name": "output", "mountPath": folders.output})
    return volumes, [*mounts, {"name": "scratch", "mountPath": folders.scratch}]


def _credentials(prefix: str, store: Store | None) -> list[dict[str, Any]]:
    """The keys of the store's Secret as environment: the pod does not start without those that must be there."""
    if store is None or not store.credentials_secret:
        return []
    return [
        {
            "name": prefix + key,
            "valueFrom": {"secretKeyRef": {"name": store.credentials_secret, "key": key, "optional": optional}},
        }
        for key, optional in CREDENTIALS.items()
    ]
