"""Two nodes, of which one at a time may fall silent: what Kubernetes makes of the pods that it leaves behind."""

from harness.api.store import PODS, ApiStore, Body
from pods.shapes import condition, disruption
from spectrogram_operator.core.judging.pod import Pod
from unit.operator.control.rules.rules import Rules
from unit.operator.control.rules.story import Story

NODES = ("node-1", "node-2")
TAINTED = disruption("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
GONE = disruption("DeletionByPodGC", "PodGC: node no longer exists")


class Nodes:
    """A node that is silent neither starts pods nor tells of them, and ends none."""

    def __init__(self, store: ApiStore, rules: Rules, story: Story) -> None:
        self.silent = ""
        self._store = store
        self._rules = rules
        self._story = story

    def choose(self, pod: Pod) -> str:
        """The node that the scheduler takes for a pod: one that answers."""
        answering = [name for name in NODES if name != self.silent]
        return answering[int(pod.uid[-1], 16) % len(answering)]

    def reach(self, pod: Pod) -> bool:
        """Whether the pod's kubelet can tell of it."""
        return not pod.node_name or pod.node_name != self.silent

    def fall_silent(self, name: str) -> None:
        """The node sends no heartbeat any more: its pods are not Ready."""
        self._story.tell(name, "answers no more")
        self.silent = name
        for pod in self._left_behind():
            self._mark(pod, condition("Ready", "False"))

    def answer_again(self) -> None:
        """It was only cut off: what it runs is Ready, and what was deleted meanwhile ends."""
        self._story.tell(self.silent, "answers again")
        for pod in self._left_behind():
            self._mark(pod, condition("Ready", "True"))
        self.silent = ""

    def taint(self) -> None:
        """After some minutes the taint manager asks for the end of the pods; nobody there hears it."""
        self._story.tell("the taint manager", f"deletes the pods of {self.silent}")
        for pod in self._left_behind():
            if not pod.deleting:
                self._mark(pod, TAINTED)
                self._store.delete(PODS, pod.namespace, pod.name)

    def delete(self) -> None:
        """The node's object is deleted: the pod garbage collector fails its pods and takes them away."""
        self._story.tell("somebody", f"deletes {self.silent}")
        for pod in self._left_behind():
            self._mark(pod, GONE, phase="Failed")
            self._rules.shapes.setdefault(pod.uid, "failed")  # a sidecar may outlive the main container
            self._store.remove(PODS, pod.namespace, pod.name)
        self.silent = ""

    def _left_behind(self) -> list[Pod]:
        pods = sorted(self._rules.pods.values(), key=lambda pod: pod.name)
        return [pod for pod in pods if pod.live and pod.node_name == self.silent]

    def _mark(self, pod: Pod, new: Body, **status: str) -> None:
        stored = self._store.get(PODS, pod.namespace, pod.name)
        others = [one for one in stored["status"].get("conditions", ()) if one["type"] != new["type"]]
        conditions = {"conditions": [new, *others]}
        self._store.put(PODS, {**stored, "status": stored["status"] | conditions | status})
