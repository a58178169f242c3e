"""How many jobs of a pool may run at once where its `maxConcurrent` is auto: as many as fit on its nodes, and one more.

The one more is what an autoscaler sees: a pod that fits on no node asks for the next one. Without it a pool would never
grow, and one without nodes never begin.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from spectrogram_operator.api.quantity import parse_quantity
from spectrogram_operator.core.judging.node import Node, Taint
from spectrogram_operator.core.policy import MOST_CONCURRENT, Pool


def most_at_once(pool: Pool, nodes: Iterable[Node]) -> int:
    """How many of its jobs that ask for the pool's own memory and CPU may run at once on those of the nodes that its
    pods may go to, and one more. What else runs on these nodes is not known, and not counted.
    """
    return min(MOST_CONCURRENT, 1 + sum(_room(pool, node) for node in nodes if _may_go_to(pool, node)))


def _room(pool: Pool, node: Node) -> int:
    return min(node.memory_bytes // pool.memory_bytes, int(node.cores // parse_quantity(pool.cpu)), node.pods)


def _may_go_to(pool: Pool, node: Node) -> bool:
    """As the scheduler decides it, by what a pool can say."""
    selected = all(node.labels.get(key) == value for key, value in pool.node_selector.items())
    kept_off = [taint for taint in node.taints if taint.effect in ("NoSchedule", "NoExecute")]
    tolerated = all(any(_tolerates(one, taint) for one in pool.tolerations) for taint in kept_off)
    return node.usable and selected and tolerated and _wanted_by(pool.affinity, node)


def _tolerates(toleration: Mapping[str, Any], taint: Taint) -> bool:
    if toleration.get("effect") not in (None, "", taint.effect):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint.key)
    return toleration.get("key") == taint.key and (toleration.get("value") or "") == taint.value


def _wanted_by(affinity: Mapping[str, Any], node: Node) -> bool:
    """By what the affinity requires of nodes; what it prefers keeps no pod waiting. One of its terms has to fit."""
    of_nodes = affinity.get("nodeAffinity") or {}
    required = of_nodes.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(_fits(term, node) for term in required.get("nodeSelectorTerms") or ())


def _fits(term: Mapping[str, Any], node: Node) -> bool:
    """A term without any expression fits no node."""
    labels, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    own_fields = {"metadata.name": node.name}
    holds = [_holds(one, node.labels) for one in labels] + [_holds(one, own_fields) for one in fields]
    return bool(holds) and all(holds)


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression.get("key", "")), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as relation:
            return _compares(value, relation, values)
    return False


def _compares(value: str | None, relation: str, values: Any) -> bool:
    try:
        (bound,) = map(int, values)
        return value is not None and (int(value) > bound if relation == "Gt" else int(value) < bound)
    except ValueError:
        return False
