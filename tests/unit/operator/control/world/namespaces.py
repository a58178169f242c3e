"""Namespaces that are deleted: nothing new is created in them, and what is there goes, in whatever order."""

from harness.api.store import PODS, ApiError, ApiStore, Body
from spectrogram_operator.api.names import PLURAL
from unit.operator.control.rules.story import Story


class Namespaces:
    """Each exists unless it is among those that end, or are gone."""

    def __init__(self, store: ApiStore, story: Story) -> None:
        self.ending: set[str] = set()
        self.gone: set[str] = set()
        self._store = store
        self._story = story
        store.validate = self._admit

    def exists(self, namespace: str) -> bool:
        """Whether anything can be created there."""
        return namespace not in self.ending | self.gone

    def delete(self, namespace: str) -> None:
        """A person's kubectl delete namespace."""
        self._story.tell("a person", f"deletes the namespace {namespace}")
        self.ending.add(namespace)

    def empty(self, namespace: str, plural: str) -> None:
        """The namespace controller deletes what is of this kind, and what nobody waits for; at last the namespace."""
        self._story.tell("the namespace controller", f"deletes {plural} of {namespace}")
        for kind, _, name in self._inside(namespace):
            if kind == plural or kind not in (PLURAL, PODS):
                self._store.delete(kind, namespace, name)
        if not self._inside(namespace):
            self._story.tell("the namespace controller", f"has nothing left to delete in {namespace}: it is gone")
            self.ending.discard(namespace)
            self.gone.add(namespace)

    def make_anew(self, namespace: str) -> None:
        """Another namespace of the same name."""
        self._story.tell("a person", f"makes the namespace {namespace} anew")
        self.gone.discard(namespace)

    def _inside(self, namespace: str) -> list[tuple[str, str, str]]:
        return [key for key in self._store.objects if key[1] == namespace]

    def _admit(self, plural: str, new: Body, old: Body | None) -> None:
        namespace = new["metadata"].get("namespace", "")
        if old is not None or self.exists(namespace):
            return
        if namespace in self.gone:
            raise ApiError(404, "NotFound", f'namespaces "{namespace}" not found', kind="namespaces", name=namespace)
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        raise ApiError(403, "Forbidden", f"{plural} is forbidden: {why}", kind=plural)
