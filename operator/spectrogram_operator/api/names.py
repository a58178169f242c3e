"""Names of the API, of labels and of annotations, in one place."""

GROUP = "spectrogram.dev"
VERSION = "v1beta1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "SpectrogramJob"
PLURAL = "spectrogramjobs"
SINGULAR = "spectrogramjob"
SHORT_NAME = "sgj"

LABEL_JOB_NAME = f"{GROUP}/job-name"
LABEL_JOB_UID = f"{GROUP}/job-uid"
LABEL_ATTEMPT = f"{GROUP}/attempt"
LABEL_QUEUE = f"{GROUP}/queue"
LABEL_PUBLISHES = f"{GROUP}/publishes"
"""On what the chart tells people: a ConfigMap says how the workers' pods are, of its namespace or of all."""
ANNOTATION_SPEC_HASH = f"{GROUP}/spec-hash"

OPERATOR = "spectrogram-operator"
COMMANDS = "spectrogram"
"""The two programs, as they name themselves to the API server: by these it tells who wrote which field."""

KUEUE_QUEUE = "kueue.x-k8s.io/queue-name"
"""The label by which Kueue knows the pods that it is to queue, and the queue."""
KUEUE_MANAGED = "kueue.x-k8s.io/managed"
"""The label that Kueue puts on the pods that it looks after, when they are created."""
KUEUE_GATE = "kueue.x-k8s.io/admission"
"""The scheduling gate that Kueue takes off the pods that it admits."""

MAIN_CONTAINER = "worker"
"""The container of a pod that runs the worker; others are injected."""

LEASE = "spectrogram-operator"
"""The Lease, in each watched namespace, of whoever serves this namespace by name."""
PLACE_OF_ALL = "default"
"""The namespace, which few may write in, with what is about all namespaces."""
LEASE_OF_ALL = (PLACE_OF_ALL, "spectrogram-operator-all-namespaces")
"""Namespace and name of the Lease of whoever serves all namespaces."""
