"""What happened, in plain words: who did what at which second, and what it had seen. A violation is told as one."""

import asyncio
from dataclasses import dataclass, field

from harness.api.memory_cluster import CONNECTION_LOST, Heard
from harness.api.routes import Request
from harness.api.store import Body

LAST_LINES = 25


class ViolationError(AssertionError):
    """A rule was broken; the message is the story of how."""


@dataclass
class Story:
    """The lines so far. `title` says how to hear it again."""

    title: str
    lines: list[str] = field(default_factory=list)

    def tell(self, who: str, what: str) -> None:
        """One more line, at this virtual second."""
        self.lines.append(f"{asyncio.get_running_loop().time():9.2f} s  {who} {what}")

    def hear(self, who: str, heard: Heard) -> None:
        """A request of `who`. Leases are renewed all the time: only what goes wrong with them is told."""
        if heard.request.plural != "leases" or heard.fate.kill or heard.code >= 300:
            self.tell(who, in_words(heard))

    def end(self, rule: str) -> str:
        """The last lines, and the rule that they broke."""
        left_out = len(self.lines) - LAST_LINES
        before = [f"… {left_out} lines before"] if left_out > 0 else []
        return "\n".join([f"{rule}   [{self.title}]", *before, *self.lines[-LAST_LINES:], f"=> {rule}"])


def in_words(heard: Heard) -> str:
    """A request and its answer."""
    request, fate = heard.request, heard.fate
    did = _did(request)
    came_of_it = "" if heard.code < 300 and fate.stored else f", but: {heard.code} {heard.document.get('reason', '')}"
    if request.method == "GET" and request.name and heard.code == 404:
        came_of_it = ": there is none"
    if fate.seconds_before >= 1:
        came_of_it += f" ({fate.seconds_before:.0f} s after it was sent)"
    if heard.given_up:
        return f"{did}{came_of_it}, and nobody waits for the answer any more"
    if fate.kill:
        return f"{did}{came_of_it}, and dies before it hears so"
    if fate.error is not None and fate.stored:
        heard_instead = "the connection is lost" if fate.error == CONNECTION_LOST else f"it hears {fate.error}"
        return f"{did}{came_of_it}, and {heard_instead}"
    return f"{did}{came_of_it}"


def _did(request: Request) -> str:
    body = request.body or {}
    match request.method, request.plural, request.name:
        case "GET", "spectrogramjobs", "":
            return "lists jobs"
        case "GET", "spectrogramjobs", name:
            return f"reads {name}"
        case "PUT", "spectrogramjobs", name:
            return f"writes {name}: {status_in_words(body['status'])}"
        case "POST", "pods", _:
            return f"creates the pod {body['metadata']['name']}"
        case "DELETE", "pods", name:
            return f"asks for the end of the pod {name}"
        case "GET", "pods", "":
            return "lists pods"
        case "GET", "pods", name:
            return f"looks for the pod {name}"
        case "POST", "events", _:
            return f"says {body['reason']} of {body['involvedObject']['name']}"
    return f"asks {request.method} {request.path}"


def status_in_words(status: Body) -> str:
    """Phase and attempts of a status: Running; 1 OOMKilled, 2 Created."""
    attempts = [
        f"{entry['number']} {entry['state']}{' ' + entry['reason'] if entry.get('reason') else ''}"
        for entry in status.get("attempts", ())
    ]
    return f"{status.get('phase', '-')} ({status.get('reason', '-')}); attempts: {', '.join(attempts) or 'none'}"
