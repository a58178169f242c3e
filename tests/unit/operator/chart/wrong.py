"""Values that cannot be used: name, values, what the refusal must say. Collected from people's mistakes; the first part
is the field's, the second its neighbours.
"""

from typing import Any, NamedTuple


class Wrong(NamedTuple):
    """Values, and the words that the refusal must have."""

    values: dict[str, Any]
    says: str
    release: str = "radio"


LONG = "a" * 70


def pool(**values: Any) -> dict[str, Any]:
    return {"pools": {"default": values}}


def large(**values: Any) -> dict[str, Any]:
    return {"pools": {"large": values}}


def store(**values: Any) -> dict[str, Any]:
    return {"stores": {"a": values}}


def bucket(**values: Any) -> dict[str, Any]:
    return store(bucket="abc", **values)


def image(**values: Any) -> dict[str, Any]:
    return {"image": values}


def worker(**values: Any) -> dict[str, Any]:
    return {"worker": values}


def settings(**values: Any) -> dict[str, Any]:
    return {"settings": values}


def env(*entries: Any) -> dict[str, Any]:
    return {"extraEnv": list(entries)}


def variable(name: str, value: str) -> dict[str, Any]:
    return env({"name": name, "value": value})


WRONG: dict[str, Wrong] = {
    "cluster+ns": Wrong({"scope": "Cluster", "watchNamespaces": ["lab"]}, "watchNamespaces has no meaning with scope"),
    "string for list": Wrong({"watchNamespaces": "lab"}, "'/watchNamespaces': got string, want null or array"),
    "string for int": Wrong(settings(softTimeLimit="60"), "'/settings/softTimeLimit': got string, want null or int"),
    "kueue": Wrong(settings(kueue="yes"), "'/settings/kueue': got string, want null or boolean"),
    "unknown top": Wrong({"replica": 2}, "additional properties 'replica' not allowed"),
    "unknown deep": Wrong(image(tagg="1"), "at '/image': additional properties 'tagg' not allowed"),
    "settings unknown": Wrong(settings(softLimit=1), "at '/settings': additional properties 'softLimit' not allowed"),
    "mem 1GB": Wrong(pool(memory="1GB"), 'pools.default.memory: "1GB" is no memory'),
    "mem 1 Gi": Wrong(pool(memory="1 Gi"), 'pools.default.memory: "1 Gi" is no memory'),
    "mem -1Gi": Wrong(pool(memory="-1Gi"), 'pools.default.memory: "-1Gi" is no memory'),
    "mem 0": Wrong(pool(memory=0), "pools.default.memory: 0 is no memory"),
    "mem tiny 1Mi": Wrong(pool(memory="1Mi"), 'pools.default.memory: "1Mi" is no memory'),
    "mem 100m": Wrong(pool(memory="100m"), 'pools.default.memory: "100m" is no memory'),
    "mem automatic": Wrong(pool(memory="automatic"), "as in 512Mi or 2Gi, or auto"),
    "max auto": Wrong(pool(maxMemory="auto"), 'pools.default.maxMemory: "auto" is no memory'),
    "mem>max": Wrong(pool(memory="8Gi"), "pools.default.memory (8Gi) is above pools.default.maxMemory (4Gi)"),
    "defaultMemory>max": Wrong(
        settings(defaultMemory="8Gi"), "settings.defaultMemory (8Gi) is above pools.default.max"
    ),
    "defaultMemory 1Mi": Wrong(settings(defaultMemory="1Mi"), 'settings.defaultMemory: "1Mi" is no memory'),
    "scratch 1Mi": Wrong(worker(scratchSize="1Mi"), 'worker.scratchSize: "1Mi" is no size of temporary disk'),
    "cpu zero": Wrong(pool(cpu="0"), 'pools.default.cpu: "0" is no CPU'),
    "cpu 1Gi": Wrong(pool(cpu="1Gi"), 'pools.default.cpu: "1Gi" is no CPU'),
    "store bad endpoint": Wrong(
        bucket(endpoint="s3.a.org"), 'stores.a.endpoint: "s3.a.org" is no endpoint: write https'
    ),
    "store ftp": Wrong(bucket(endpoint="ftp://s3.a.org"), 'stores.a.endpoint: "ftp://s3.a.org" is no endpoint'),
    "store path": Wrong(bucket(endpoint="https://s3.a.org/path"), '"https://s3.a.org/path" is no endpoint'),
    "store slash end": Wrong(bucket(endpoint="https://s3.a.org/"), '"https://s3.a.org/" is no endpoint'),
    "store port 99999": Wrong(bucket(endpoint="https://a.org:99999"), '"https://a.org:99999" is no endpoint'),
    "store empty endpoint": Wrong(bucket(endpoint=""), 'stores.a.endpoint: "" is no endpoint'),
    "store prefix a/../b": Wrong(bucket(prefix="a/../b"), 'stores.a.prefix: "a/../b" is no path'),
    "store bucket s3://": Wrong(store(bucket="s3://abc"), 'stores.a.bucket: "s3://abc" is no bucket'),
    "store name Upper": Wrong({"stores": {"Archive": {"bucket": "abc"}}}, 'stores: "Archive" is no name'),
    "store none": Wrong(store(), "stores.a: a store is a claim or a bucket: write one of claimName and bucket"),
    "store list": Wrong({"stores": [{"name": "a"}]}, "'/stores': got array, want null or object"),
    "store both": Wrong(store(claimName="x", bucket="abc"), "stores.a: a store is a claim or a bucket: write one of"),
    "store inline key": Wrong(bucket(accessKey="x"), "at '/stores/a': additional properties 'accessKey' not allowed"),
    "hosts url": Wrong({"allowedUrlHosts": ["https://a.org"]}, 'allowedUrlHosts[0]: "https://a.org" is no host'),
    "hosts port": Wrong({"allowedUrlHosts": ["a.org:70000"]}, 'allowedUrlHosts[0]: "a.org:70000" is no host'),
    "extraEnv dup": Wrong(variable("SPECTROGRAM_POOLS", "{}"), "extraEnv[0]: SPECTROGRAM_POOLS is the operator's own"),
    "extraEnv num": Wrong(env({"name": "A", "value": 1}), "'/extraEnv/0/value': got number, want null or string"),
    "extraEnv hardlimit lower": Wrong(
        variable("CELERY_TASK_TIME_LIMIT", "100"),
        "settings.softTimeLimit (600 s) must be less than extraEnv CELERY_TASK_TIME_LIMIT (100 s)",
    ),
    "extraEnv badname": Wrong(variable("A B", "1"), 'extraEnv[0].name: "A B" is no name of a variable'),
    "tag number": Wrong(image(tag=1.1), "at '/image/tag': got number, want null or string"),
    "tag bad": Wrong(image(tag="a b"), 'image.tag: "a b" is no tag'),
    "registry https": Wrong(image(registry="https://a.org"), 'image.registry: "https://a.org" is no registry'),
    "registry trailing slash": Wrong(image(registry="a.org/"), 'image.registry: "a.org/" is no registry'),
    "repository space": Wrong(image(repository="Foo Bar"), 'image.repository: "Foo Bar" is no repository'),
    "release dots": Wrong({}, 'the release\'s name "my.radio.release" would give', "my.radio.release"),
    "release digit": Wrong({}, 'the release\'s name "1radio" would give', "1radio"),
    "release empty": Wrong({}, "no name provided", ""),
    "release upper": Wrong({}, "invalid release name", "Radio"),
    "fullnameOverride long": Wrong({"fullnameOverride": LONG}, "is no name for objects: write at most 50"),
    "fullnameOverride upper": Wrong(
        {"fullnameOverride": "My_Name"}, 'fullnameOverride: "My_Name" is no name for objects'
    ),
    "commonLabels clash": Wrong(
        {"commonLabels": {"app.kubernetes.io/name": "x"}},
        "commonLabels.app.kubernetes.io/name is a label that the chart",
    ),
    "commonLabels bad": Wrong({"commonLabels": {"team": "a b!"}}, 'commonLabels.team: "a b!" is no value of a label'),
    "podLabels clash": Wrong(
        {"podLabels": {"app.kubernetes.io/name": "x"}},
        "podLabels.app.kubernetes.io/name is a label that the chart sets",
    ),
    "pool podLabels clash": Wrong(
        pool(podLabels={"spectrogram.dev/job-uid": "x"}),
        "pools.default.podLabels.spectrogram.dev/job-uid is a label that",
    ),
    "pool podLabels bad": Wrong(pool(podLabels={"team": "a b!"}), 'pools.default.podLabels.team: "a b!" is no value'),
    "ports priv": Wrong({"ports": {"health": 80}}, "ports.health: 80 is for root alone"),
    "soft>=hard": Wrong(
        settings(softTimeLimit=900), "settings.softTimeLimit (900 s) must be less than settings.hardTime"
    ),
    "soft string null": Wrong(
        settings(softTimeLimit=None, hardTimeLimit=500),
        "settings.softTimeLimit (600 s) must be less than settings.hardTimeLimit (500 s): change one of them",
    ),
    "backoff>max": Wrong(settings(backoff=700), "settings.backoff (700 s) must be at most settings.maxBackoff (600 s)"),
    "resources bad": Wrong({"resources": {"limits": {"memory": "512MB"}}}, 'resources.limits.memory: "512MB" is too'),
    "resources typo": Wrong({"resources": {"limit": {"memory": "512Mi"}}}, "additional properties 'limit' not allowed"),
    "affinity typo": Wrong({"affinity": {"nodeAffinty": {}}}, "additional properties 'nodeAffinty' not allowed"),
    "topology typo": Wrong(
        {"topologySpreadConstraints": [{"maxSkw": 1}]}, "additional properties 'maxSkw' not allowed"
    ),
    "pool null": Wrong({"pools": {"large": None}}, "pools.large: null takes its default away"),
    "pools null": Wrong({"pools": None}, "pools: null takes its default away"),
    "image null": Wrong({"image": None}, "image: null takes its default away: write a value, or leave it out"),
    "pool priority bad": Wrong(pool(priorityClassName="A_B"), 'pools.default.priorityClassName: "A_B" is no name'),
}

NEIGHBOURS: dict[str, Wrong] = {
    # Types: text, numbers, lists and maps in each other's place.
    "scope lower": Wrong({"scope": "cluster"}, "at '/scope': value must be one of 'Namespaced', 'Cluster'"),
    "scope null": Wrong({"scope": None}, "scope: null takes its default away"),
    "namespace upper": Wrong({"watchNamespaces": ["a", "Lab"]}, 'watchNamespaces[1]: "Lab" is no namespace'),
    "namespace empty": Wrong({"watchNamespaces": [""]}, 'watchNamespaces[0]: "" is no namespace'),
    "namespace commas": Wrong({"watchNamespaces": ["a,b"]}, 'watchNamespaces[0]: "a,b" is no namespace'),
    "namespace dots": Wrong({"watchNamespaces": ["a.b"]}, 'watchNamespaces[0]: "a.b" is no namespace'),
    "namespace star": Wrong({"watchNamespaces": ["*"]}, 'watchNamespaces[0]: "*" is no namespace'),
    "namespace long": Wrong({"watchNamespaces": [LONG]}, "is no namespace: write at most 63"),
    "namespace newline": Wrong({"watchNamespaces": ["a\n"]}, 'watchNamespaces[0]: "a\\n" is no namespace'),
    "namespace number": Wrong({"watchNamespaces": [2026]}, "'/watchNamespaces/0': got number, want string"),
    "namespace null": Wrong({"watchNamespaces": [None]}, "'/watchNamespaces/0': got null, want string"),
    "image text": Wrong({"image": "spectrogram-operator:1"}, "at '/image': got string, want object"),
    "pool text": Wrong({"pools": {"default": "4Gi"}}, "at '/pools/default': got string, want object"),
    "pool unknown": Wrong({"pools": {"huge": {}}}, "at '/pools': additional properties 'huge' not allowed"),
    "pool typo": Wrong(pool(maxmemory="4Gi"), "at '/pools/default': additional properties 'maxmemory' not allowed"),
    "settings list": Wrong({"settings": [{"softTimeLimit": 1}]}, "'/settings': got array, want null or object"),
    "bool text": Wrong({"crds": {"install": "false"}}, "at '/crds/install': got string, want boolean"),
    "crds keep null": Wrong({"crds": {"keep": None}}, "crds.keep: null takes its default away"),
    "crds null": Wrong({"crds": None}, "crds: null takes its default away"),
    "worker null": Wrong({"worker": None}, "worker: null takes its default away"),
    "worker image null": Wrong(worker(image=None), "worker.image: null takes its default away"),
    "worker account null": Wrong(worker(serviceAccount=None), "worker.serviceAccount: null takes its default away"),
    "repository null": Wrong(image(repository=None), "image.repository: null takes its default away"),
    "pull policy null": Wrong(
        worker(image={"pullPolicy": None}), "worker.image.pullPolicy: null takes its default away"
    ),
    "user null": Wrong(worker(runAsUser=None), "worker.runAsUser: null takes its default away"),
    "scratch null": Wrong(worker(scratchSize=None), "worker.scratchSize: null takes its default away"),
    "ports null": Wrong({"ports": None}, "ports: null takes its default away"),
    "port null": Wrong({"ports": {"metrics": None}}, "ports.metrics: null takes its default away"),
    "account null": Wrong({"serviceAccount": None}, "serviceAccount: null takes its default away"),
    "rbac null": Wrong({"rbac": None}, "rbac: null takes its default away"),
    "service null": Wrong({"service": None}, "service: null takes its default away"),
    # Amounts.
    "max 1GB": Wrong(pool(maxMemory="1GB"), 'pools.default.maxMemory: "1GB" is no memory'),
    "max below default": Wrong(
        pool(maxMemory="512Mi"), "settings.defaultMemory (1Gi) is above pools.default.maxMemory (512Mi)"
    ),
    "large mem>max": Wrong(large(memory="32Gi"), "pools.large.memory (32Gi) is above pools.large.maxMemory (16Gi)"),
    "large max<mem": Wrong(large(maxMemory="2Gi"), "pools.large.memory (4Gi) is above pools.large.maxMemory (2Gi)"),
    "large null mem": Wrong(large(memory=None, maxMemory="2Gi"), "pools.large.memory (4Gi) is above pools.large.max"),
    "mem lower unit": Wrong(pool(memory="1gi"), 'pools.default.memory: "1gi" is no memory'),
    "mem K": Wrong(pool(memory="1048576K"), 'pools.default.memory: "1048576K" is no memory'),
    "mem GiB": Wrong(pool(memory="1GiB"), 'pools.default.memory: "1GiB" is no memory'),
    "mem number of Gi": Wrong(pool(memory=4), "pools.default.memory: 4 is no memory"),
    "mem float": Wrong(pool(memory=0.5), "pools.default.memory: 0.5 is no memory"),
    "mem bool": Wrong(pool(memory=True), "at '/pools/default/memory': got boolean, want null or number or string"),
    "mem empty": Wrong(pool(memory=""), 'pools.default.memory: "" is no memory'),
    "mem newline": Wrong(pool(memory="1Gi\n"), 'pools.default.memory: "1Gi\\n" is no memory'),
    "mem huge": Wrong(pool(maxMemory="9999999Pi"), 'pools.default.maxMemory: "9999999Pi" is no memory'),
    "mem exponent": Wrong(pool(maxMemory="1e99"), 'pools.default.maxMemory: "1e99" is no memory'),
    "total below max": Wrong(
        pool(totalMemory="2Gi"),
        "pools.default.totalMemory (2Gi) is below what one pod may have, pools.default.maxMemory (4Gi)",
    ),
    "total GB": Wrong(pool(totalMemory="64GB"), 'pools.default.totalMemory: "64GB" is no amount of bytes'),
    "total below max null": Wrong(pool(maxMemory=None, totalMemory="2Gi"), "pools.default.totalMemory (2Gi) is below"),
    "two memories": Wrong(
        pool(memory="2Gi") | settings(defaultMemory="3Gi"),
        "settings.defaultMemory has no effect beside pools.default.memory",
    ),
    "defaultMemory GB": Wrong(settings(defaultMemory="1GB"), 'settings.defaultMemory: "1GB" is no memory'),
    "defaultMemory MB": Wrong(settings(defaultMemory=1024), "settings.defaultMemory: 1024 is no memory"),
    "scratch GB": Wrong(worker(scratchSize="10GB"), 'worker.scratchSize: "10GB" is no size of temporary disk space'),
    "cpu 10m": Wrong(pool(cpu="10m"), 'pools.default.cpu: "10m" is no CPU'),
    "cpu negative": Wrong(pool(cpu=-1), "pools.default.cpu: -1 is no CPU"),
    "cpu words": Wrong(pool(cpu="2 cores"), 'pools.default.cpu: "2 cores" is no CPU'),
    "cpu fine": Wrong(pool(cpu="0.1234"), 'pools.default.cpu: "0.1234" is no CPU'),
    "cpu list": Wrong(pool(cpu=[1]), "at '/pools/default/cpu': got array, want null or number or string"),
    "concurrent float": Wrong(
        pool(maxConcurrent=1.5), "at '/pools/default/maxConcurrent': got number, want null or integer or string"
    ),
    "concurrent words": Wrong(pool(maxConcurrent="all"), 'pools.default.maxConcurrent: "all" is no number of jobs'),
    "concurrent auto": Wrong(
        pool(maxConcurrent="auto"),
        "pools.default.maxConcurrent: auto counts the nodes of the whole cluster, for the jobs of all namespaces",
    ),
    "concurrent negative": Wrong(pool(maxConcurrent=-1), "at '/pools/default/maxConcurrent': minimum: got -1, want 0"),
    # Stores and hosts.
    "store null": Wrong({"stores": {"a": None}}, "at '/stores/a': got null, want object"),
    "store claim and secret": Wrong(
        store(claimName="a", credentialsSecret="b"), "stores.a: a claim has no credentialsSecret"
    ),
    "store claim upper": Wrong(store(claimName="Tape"), 'stores.a.claimName: "Tape" is no name'),
    "store name empty": Wrong({"stores": {"": {"bucket": "abc"}}}, 'stores: "" is no name'),
    "store secret empty": Wrong(bucket(credentialsSecret=""), 'stores.a.credentialsSecret: "" is no name'),
    "store account slash": Wrong(bucket(serviceAccount="a/b"), 'stores.a.serviceAccount: "a/b" is no name'),
    "store region": Wrong(bucket(region="Europe 1"), 'stores.a.region: "Europe 1" is no region'),
    "store region empty": Wrong(bucket(region=""), 'stores.a.region: "" is no region'),
    "store prefix slash": Wrong(bucket(prefix="/b"), 'stores.a.prefix: "/b" is no path'),
    "store prefix up": Wrong(bucket(prefix=".."), 'stores.a.prefix: ".." is no path'),
    "store prefix long": Wrong(bucket(prefix="a" * 513), "at '/stores/a/prefix': maxLength"),
    "store bucket short": Wrong(store(bucket="ab"), 'stores.a.bucket: "ab" is no bucket'),
    "store bucket path": Wrong(store(bucket="a/b"), 'stores.a.bucket: "a/b" is no bucket'),
    "store bucket null": Wrong(store(bucket=None), "stores.a: a store is a claim or a bucket"),
    "store bucket number": Wrong(store(bucket=2026), "at '/stores/a/bucket': got number, want null or string"),
    "store user": Wrong(bucket(endpoint="https://me:it@a.org"), '"https://me:it@a.org" is no endpoint'),
    "host star": Wrong({"allowedUrlHosts": ["*"]}, 'allowedUrlHosts[0]: "*" is no host'),
    "host slash": Wrong({"allowedUrlHosts": ["a.org/b"]}, 'allowedUrlHosts[0]: "a.org/b" is no host'),
    "host port 0": Wrong({"allowedUrlHosts": ["a.org:0"]}, 'allowedUrlHosts[0]: "a.org:0" is no host'),
    "host text": Wrong({"allowedUrlHosts": "a.org"}, "'/allowedUrlHosts': got string, want null or array"),
    "host many": Wrong({"allowedUrlHosts": ["a.org"] * 65}, "'/allowedUrlHosts': maxItems: got 65, want 64"),
    # Environment.
    "env twice": Wrong(env({"name": "A", "value": "1"}, {"name": "A"}), "extraEnv[1]: A is there twice"),
    "env without name": Wrong(env({"value": "1"}), "at '/extraEnv/0': missing property 'name'"),
    "env map": Wrong({"extraEnv": {"A": "1"}}, "'/extraEnv': got object, want null or array"),
    "env own setting": Wrong(
        variable("SPECTROGRAM_SOFT_TIME_LIMIT", "60"), "SPECTROGRAM_SOFT_TIME_LIMIT is the operator"
    ),
    "env both": Wrong(
        env({"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
        "extraEnv[0]: A has a value and a valueFrom",
    ),
    "env source typo": Wrong(
        env({"name": "A", "valueFrom": {"secretRef": {"name": "a"}}}), "additional properties 'secretRef' not allowed"
    ),
    "env no number": Wrong(
        variable("CELERY_TASK_TIME_LIMIT", "1h"),
        'CELERY_TASK_TIME_LIMIT: "1h" cannot be used: write a whole number from 1',
    ),
    "env fraction": Wrong(variable("JOB_MAX_POLL_ATTEMPTS", "1.5"), '"1.5" cannot be used: write a whole number'),
    "env percent": Wrong(
        variable("MEMORY_SAFEGUARD_THRESHOLD", "101"), '"101" cannot be used: write a number from 1 to 100'
    ),
    "env zero": Wrong(variable("JOB_POLL_INTERVAL", "0"), '"0" cannot be used: write a number from 0.01 to 31536000'),
    "env kilobytes": Wrong(
        variable("CELERY_WORKER_MAX_MEMORY_PER_CHILD", "1048576"),
        'extraEnv[0]: CELERY_WORKER_MAX_MEMORY_PER_CHILD: "1048576" is no memory',
    ),
    "env memory above": Wrong(
        variable("CELERY_WORKER_MAX_MEMORY_PER_CHILD", "8589934592"),
        "extraEnv CELERY_WORKER_MAX_MEMORY_PER_CHILD (8589934592) is above pools.default.maxMemory (4Gi)",
    ),
    "env soft": Wrong(
        variable("CELERY_TASK_SOFT_TIME_LIMIT", "900"), "extraEnv CELERY_TASK_SOFT_TIME_LIMIT (900 s) must be"
    ),
    "env and setting": Wrong(
        variable("CELERY_TASK_TIME_LIMIT", "1000") | settings(hardTimeLimit=2000),
        "has no effect beside settings.hardTimeLimit",
    ),
    "env from": Wrong(
        env({"name": "JOB_STALE_TIMEOUT", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}),
        "what valueFrom gives cannot be checked: write its value, or settings.staleTimeout",
    ),
    # Images.
    "tag colon": Wrong(image(tag=":1"), 'image.tag: ":1" is no tag'),
    "tag whole": Wrong(image(tag=2), "at '/image/tag': got number, want null or string"),
    "tag long": Wrong(image(tag="a" * 129), "is no tag: write letters"),
    "tag digest": Wrong(image(tag="1@sha256:00"), 'image.tag: "1@sha256:00" is no tag'),
    "digest tag": Wrong(image(digest="latest"), 'image.digest: "latest" is no digest'),
    "digest short": Wrong(image(digest="sha256:00"), 'image.digest: "sha256:00" is no digest'),
    "repository tag": Wrong(image(repository="a/b:1"), 'image.repository: "a/b:1" is no repository'),
    "repository upper": Wrong(
        worker(image={"repository": "Spectrogram"}), 'worker.image.repository: "Spectrogram" is no'
    ),
    "repository empty": Wrong(image(repository=""), 'image.repository: "" is no repository'),
    "repository url": Wrong(
        image(repository="https://a.org/b"), 'image.repository: "https://a.org/b" is no repository'
    ),
    "repository end": Wrong(image(repository="a/b/"), 'image.repository: "a/b/" is no repository'),
    "registry space": Wrong(worker(image={"registry": "a b"}), 'worker.image.registry: "a b" is no registry'),
    "registry port": Wrong(image(registry="a.org:http"), 'image.registry: "a.org:http" is no registry'),
    "pull policy": Wrong(image(pullPolicy="always"), "at '/image/pullPolicy': value must be one of 'Always'"),
    "pull secrets text": Wrong({"imagePullSecrets": ["registry"]}, "at '/imagePullSecrets/0': got string, want object"),
    "pull secret upper": Wrong({"imagePullSecrets": [{"name": "A"}]}, 'imagePullSecrets[0].name: "A" is no name'),
    "pull secret twice": Wrong({"imagePullSecrets": [{"name": "a"}] * 2}, "imagePullSecrets names a Secret twice"),
    # Names, accounts, labels.
    "nameOverride long": Wrong({"nameOverride": LONG}, "is no part of a name: write at most 50"),
    "nameOverride upper": Wrong({"nameOverride": "Radio"}, 'nameOverride: "Radio" is no part of a name'),
    "fullnameOverride digit": Wrong(
        {"fullnameOverride": "1radio"}, 'fullnameOverride: "1radio" is no name for objects'
    ),
    "fullnameOverride dots": Wrong({"fullnameOverride": "a.b"}, 'fullnameOverride: "a.b" is no name for objects'),
    "fullnameOverride end": Wrong({"fullnameOverride": "radio-"}, 'fullnameOverride: "radio-" is no name for objects'),
    "account upper": Wrong({"serviceAccount": {"name": "A"}}, 'serviceAccount.name: "A" is no name'),
    "account default": Wrong(
        {"serviceAccount": {"name": "default"}}, "is there in every namespace, so it cannot be made"
    ),
    "account shared": Wrong(
        worker(serviceAccount={"name": "radio-spectrogram-operator"}),
        "is the operator's own account, and workers must not",
    ),
    "worker account default": Wrong(
        worker(serviceAccount={"name": "default"}), 'worker.serviceAccount.name: "default" is there'
    ),
    "worker identity cluster": Wrong(
        {"scope": "Cluster", "worker": {"serviceAccount": {"annotations": {"a": "b"}}}},
        "worker.serviceAccount.annotations would have no effect: with scope Cluster",
    ),
    "worker identity without": Wrong(
        worker(serviceAccount={"create": False, "annotations": {"a": "b"}}),
        "worker.serviceAccount.annotations would have no effect: with worker.serviceAccount.create false",
    ),
    "user root": Wrong(worker(runAsUser=0), "at '/worker/runAsUser': minimum: got 0, want 1"),
    "user text": Wrong(worker(fsGroup="65532"), "at '/worker/fsGroup': got string, want integer"),
    "label number": Wrong({"commonLabels": {"year": 2026}}, "at '/commonLabels/year': got number, want string"),
    "label key": Wrong({"podLabels": {"a b": "c"}}, 'podLabels: "a b" is no key'),
    "label long": Wrong({"podLabels": {"team": LONG}}, "is no value of a label: write at most 63"),
    "pool label name": Wrong(
        large(podLabels={"app.kubernetes.io/name": "x"}), "is a label that the operator sets itself"
    ),
    "annotation key": Wrong({"podAnnotations": {"a/b/c": "d"}}, 'podAnnotations: "a/b/c" is no key'),
    "annotation bool": Wrong({"podAnnotations": {"a": True}}, "at '/podAnnotations/a': got boolean, want string"),
    # Where pods go.
    "selector bool": Wrong(
        pool(nodeSelector={"gpu": True}), "at '/pools/default/nodeSelector/gpu': got boolean, want string"
    ),
    "selector value": Wrong({"nodeSelector": {"a": "b c"}}, 'nodeSelector.a: "b c" is no value of a label'),
    "toleration effect": Wrong(
        pool(tolerations=[{"effect": "No"}]), "'/pools/default/tolerations/0/effect': value must be"
    ),
    "toleration typo": Wrong({"tolerations": [{"keys": "a"}]}, "additional properties 'keys' not allowed"),
    "toleration value": Wrong(
        {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
        "tolerations[0]: operator Exists goes without",
    ),
    "toleration no key": Wrong(large(tolerations=[{"value": "b"}]), "pools.large.tolerations[0]: without a key"),
    "toleration seconds": Wrong(
        {"tolerations": [{"key": "a", "tolerationSeconds": 5}]},
        "tolerations[0]: tolerationSeconds goes with effect NoExecute",
    ),
    "scheduler upper": Wrong(pool(schedulerName="Volcano"), 'pools.default.schedulerName: "Volcano" is no name'),
    "priority space": Wrong({"priorityClassName": "high prio"}, 'priorityClassName: "high prio" is no name'),
    "affinity deep": Wrong(
        {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerm": []}}}},
        "additional properties 'nodeSelectorTerm' not allowed",
    ),
    "topology when": Wrong(
        {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "Never"}]},
        "'/topologySpreadConstraints/0/whenUnsatisfiable': value must be one of",
    ),
    "requests above limits": Wrong(
        {"resources": {"limits": {"memory": "100Mi"}}},
        "resources.requests.memory (128Mi) is above resources.limits.memory (100Mi)",
    ),
    "memory of 512": Wrong(
        {"resources": {"limits": {"memory": 512}}}, "resources.limits.memory: 512 is too little memory"
    ),
    "operator cpu": Wrong({"resources": {"requests": {"cpu": "100Mi"}}}, 'resources.requests.cpu: "100Mi" is no CPU'),
    "resources unit": Wrong(
        {"resources": {"memory": "1Gi"}}, "at '/resources': additional properties 'memory' not allowed"
    ),
    # Ports, times.
    "ports equal": Wrong(
        {"ports": {"health": 9090}}, "ports.health and ports.metrics are both 9090: change one of them"
    ),
    "port 0": Wrong({"ports": {"health": 0}}, "at '/ports/health': minimum: got 0, want 1"),
    "port high": Wrong({"ports": {"metrics": 65536}}, "at '/ports/metrics': maximum: got 65,536, want 65,535"),
    "port text": Wrong({"ports": {"metrics": "9090"}}, "at '/ports/metrics': got string, want integer"),
    "hard below soft": Wrong(
        settings(hardTimeLimit=600), "settings.softTimeLimit (600 s) must be less than settings.hardT"
    ),
    "limit unit": Wrong(settings(hardTimeLimit="15m"), "'/settings/hardTimeLimit': got string, want null or integer"),
    "limit negative": Wrong(settings(softTimeLimit=-1), "'/settings/softTimeLimit': minimum: got -1, want 1"),
    "limit fraction": Wrong(settings(softTimeLimit=1.5), "'/settings/softTimeLimit': got number, want null or integer"),
    "limit of years": Wrong(settings(staleTimeout=1e9), "'/settings/staleTimeout': maximum"),
    "interval zero": Wrong(settings(pollInterval=0), "'/settings/pollInterval': minimum: got 0, want 0.01"),
    "threshold": Wrong(
        settings(memorySafeguardThreshold=101), "'/settings/memorySafeguardThreshold': maximum: got 101"
    ),
    "threshold share": Wrong(settings(memorySafeguardThreshold=0.95), "'/settings/memorySafeguardThreshold': minimum"),
    "threshold text": Wrong(
        settings(memorySafeguardThreshold="95%"), "'/settings/memorySafeguardThreshold': got string"
    ),
    "level": Wrong(settings(logLevel="INFO"), "at '/settings/logLevel': value must be one of 'debug', 'info'"),
    "refusalWait>max": Wrong(
        settings(refusalWait=400), "settings.refusalWait (400 s) must be at most settings.maxRefusalWait (300 s)"
    ),
    "max refusal wait": Wrong(
        settings(maxRefusalWait=0.01), "settings.refusalWait (30 s) must be at most settings.maxRefusalWait (0.01 s)"
    ),
    "max backoff": Wrong(settings(maxBackoff=5), "settings.backoff (10 s) must be at most settings.maxBackoff (5 s)"),
    "several at once": Wrong(image(tag="a b") | {"watchNamespaces": ["B"]}, 'image.tag: "a b" is no tag'),
    # Beside the operator.
    "global registry": Wrong(
        {"global": {"imageRegistry": "https://a.org"}}, 'global.imageRegistry: "https://a.org" is no'
    ),
    "global secret": Wrong({"global": {"imagePullSecrets": ["A"]}}, 'global.imagePullSecrets: "A" is no name'),
    "two registries": Wrong(
        {"global": {"imageRegistry": "a.org"}, "image": {"repository": "b:5000/c"}},
        'image.repository: "b:5000/c" names a registry, and "a.org" is one already: write it once',
    ),
    "envFrom nothing": Wrong({"envFrom": [{"prefix": "A_"}]}, "envFrom[0]: write one of configMapRef and secretRef"),
    "envFrom typo": Wrong({"envFrom": [{"configMap": {"name": "a"}}]}, "additional properties 'configMap' not allowed"),
    "volume without source": Wrong({"extraVolumes": [{"name": "a"}]}, 'extraVolumes: "a" has 0 sources: a volume has'),
    "volume unknown source": Wrong(
        {"extraVolumes": [{"name": "a", "emptydir": {}}]}, "properties 'emptydir' not allowed"
    ),
    "volume twice": Wrong(
        {"extraVolumes": [{"name": "tmp", "emptyDir": {}}]}, 'extraVolumes: there is a volume "tmp" already: choose'
    ),
    "mount of nothing": Wrong(
        {"extraVolumeMounts": [{"name": "a", "mountPath": "/a"}]}, 'extraVolumeMounts: there is no volume "a": add it'
    ),
    "mount relative": Wrong(
        {"extraVolumeMounts": [{"name": "tmp", "mountPath": "a"}]}, 'extraVolumeMounts[0].mountPath: "a" is no folder'
    ),
    "mount twice": Wrong(
        {"extraVolumeMounts": [{"name": "tmp", "mountPath": "/tmp/"}]}, "something is mounted at /tmp/ already"
    ),
    "sidecar called operator": Wrong(
        {"sidecars": [{"name": "operator", "image": "a"}]}, 'sidecars: there is a container "operator" already'
    ),
    "sidecar typo": Wrong(
        {"sidecars": [{"name": "a", "image": "b", "arg": []}]}, "additional properties 'arg' not allowed"
    ),
    "sidecar without image": Wrong({"sidecars": [{"name": "a"}]}, "at '/sidecars/0': missing property 'image'"),
    "argument that ends": Wrong(
        {"extraArgs": ["--show-settings"]}, "the operator writes something and ends: remove it"
    ),
    "argument number": Wrong({"extraArgs": [1]}, "at '/extraArgs/0': got number, want string"),
    "object without kind": Wrong({"extraObjects": [{"apiVersion": "v1"}]}, "missing properties 'kind', 'metadata'"),
    "monitor without API": Wrong({"podMonitor": {"enabled": True}}, "podMonitor.enabled: the cluster does not know"),
    "monitor interval": Wrong(
        {"serviceMonitor": {"interval": "30"}}, 'serviceMonitor.interval: "30" is no time between'
    ),
    "monitor interval number": Wrong(
        {"serviceMonitor": {"interval": 30}}, "'/serviceMonitor/interval': got number, want"
    ),
    "monitor label": Wrong({"serviceMonitor": {"labels": {"a": "b c"}}}, 'serviceMonitor.labels.a: "b c" is no value'),
    "dashboard label": Wrong(
        {"dashboard": {"labels": {"helm.sh/chart": "a"}}},
        "dashboard.labels.helm.sh/chart is a label that the chart sets",
    ),
    "dashboard namespace": Wrong({"dashboard": {"namespace": "A"}}, 'dashboard.namespace: "A" is no namespace'),
    "peer nothing": Wrong({"networkPolicy": {"scrapers": [{}]}}, "networkPolicy.scrapers[0] names nobody: write"),
    "peer typo": Wrong({"networkPolicy": {"scrapers": [{"nsSelector": {}}]}}, "properties 'nsSelector' not allowed"),
    "peer both": Wrong(
        {"networkPolicy": {"scrapers": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}},
        "networkPolicy.scrapers[0]: ipBlock goes without selectors",
    ),
    "shielded namespaces": Wrong(
        {"networkPolicy": {"workerNamespaces": ["a"]}}, "networkPolicy.workerNamespaces is for scope Cluster"
    ),
    "replicas -1": Wrong({"replicas": -1}, "at '/replicas': minimum: got -1, want 0"),
    "replicas half": Wrong({"replicas": 1.5}, "at '/replicas': got number, want integer"),
    "replicas none": Wrong({"replicas": None}, "replicas: null"),
    "budget none": Wrong({"podDisruptionBudget": {"maxUnavailable": 0}}, "maxUnavailable: 0 is no number of pods"),
    "budget share": Wrong(
        {"podDisruptionBudget": {"maxUnavailable": "150%"}}, 'maxUnavailable: "150%" is no number of'
    ),
    "pool affinity typo": Wrong(pool(affinity={"nodeAffinty": {}}), "additional properties 'nodeAffinty' not allowed"),
    "pool spread": Wrong(
        pool(topologySpreadConstraints=[{"maxSkew": 0}]), "missing properties 'topologyKey', 'whenUnsatis"
    ),
    "pool runtime": Wrong(pool(runtimeClassName="gVisor"), 'pools.default.runtimeClassName: "gVisor" is no name'),
    "pool annotation": Wrong(
        pool(podAnnotations={"a": 1}), "at '/pools/default/podAnnotations/a': got number, want string"
    ),
    "spread twice": Wrong(
        {
            "topologySpreadConstraints": [
                {"maxSkew": skew, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"} for skew in (1, 2)
            ]
        },
        "topologySpreadConstraints: zone DoNotSchedule is there twice",
    ),
    "test claim": Wrong({"test": {"claimName": "My Claim"}}, 'test.claimName: "My Claim" is no name'),
    "test size": Wrong({"test": {"size": "1GB"}}, 'test.size: "1GB" is no amount of bytes'),
    "test timeout": Wrong({"test": {"timeout": "5m"}}, "at '/test/timeout': got string, want integer"),
    "test null": Wrong({"test": None}, "test: null takes its default away"),
    "mount of above": Wrong(
        {"extraVolumeMounts": [{"name": "tmp", "mountPath": "/a", "subPath": "../b"}]},
        '.subPath: "../b" is no path inside',
    ),
    "peer no range": Wrong(
        {"networkPolicy": {"scrapers": [{"ipBlock": {"cidr": "10.0.0.0"}}]}},
        'networkPolicy.scrapers[0].ipBlock.cidr: "10.0.0.0" is no range of addresses',
    ),
    "selector In nothing": Wrong(
        {"networkPolicy": {"scrapers": [{"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]}},
        "networkPolicy.scrapers[0].podSelector.matchExpressions[0]: operator In needs values",
    ),
    "selector key": Wrong(
        pool(affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "a b"}]}}),
        '[0].topologyKey: "a b" is no key',
    ),
    "selector label": Wrong(
        {
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "zone",
                    "whenUnsatisfiable": "DoNotSchedule",
                    "labelSelector": {"matchLabels": {"team": "a b"}},
                }
            ]
        },
        'topologySpreadConstraints[0].labelSelector.matchLabels: "a b" is no value of a label',
    ),
    "spread domains": Wrong(
        large(
            topologySpreadConstraints=[
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2}
            ]
        ),
        "pools.large.topologySpreadConstraints[0]: minDomains goes with whenUnsatisfiable DoNotSchedule alone",
    ),
    "volume of a Secret": Wrong(
        {"extraVolumes": [{"name": "a", "secret": {"name": "keys"}}]},
        "at '/extraVolumes/0/secret': missing property 'secretName'",
    ),
    "volume size": Wrong(
        {"extraVolumes": [{"name": "a", "emptyDir": {"sizeLimit": "1GB"}}]},
        'extraVolumes[0].emptyDir.sizeLimit: "1GB" is no amount of bytes',
    ),
    "volume mode": Wrong(
        {"extraVolumes": [{"name": "a", "configMap": {"name": "b", "defaultMode": 644}}]},
        "at '/extraVolumes/0/configMap/defaultMode': maximum: got 644, want 511",
    ),
    "sidecar port": Wrong(
        {"sidecars": [{"name": "a", "image": "b", "ports": [{"containerPort": 9090}]}]},
        "sidecars[0].ports: the name or the number of the port 9090 is taken in this pod",
    ),
    "sidecar port range": Wrong(
        {"sidecars": [{"name": "a", "image": "b", "ports": [{"containerPort": 99999}]}]},
        "maximum: got 99,999, want 65,535",
    ),
    "sidecar variable twice": Wrong(
        {"sidecars": [{"name": "a", "image": "b", "env": [{"name": "A"}, {"name": "A"}]}]},
        "sidecars[0].env has a name twice",
    ),
    "sidecar rights typo": Wrong(
        {"sidecars": [{"name": "a", "image": "b", "securityContext": {"runAsNonroot": True}}]},
        "additional properties 'runAsNonroot' not allowed",
    ),
}
