"""What a hostile world does to requests and watches, out of one seeded generator; nothing once it is calm."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from harness.api.memory_cluster import CONNECTION_LOST, Fate
from harness.api.routes import Request
from harness.api.watching import Mishap, Weather

QUOTA = 'pods "x" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=4, limited: pods=4'


@dataclass
class Chances:
    """Probabilities, each for one request or one event.

    `kills`: the operator dies before or after it took effect. `faults`: an error instead of the answer. `slow`: a
    creation reaches the server much later than it was sent. `mishaps`: an event is lost, comes twice, or the watch
    begins anew. `late`: events arrive late, up to `lag` seconds.
    """

    random: Random
    kills: float = 0.0
    faults: float = 0.0
    slow: float = 0.0
    mishaps: Sequence[Mishap] = ()
    mishap: float = 0.0
    late: float = 0.0
    lag: float = 0.0
    calm: bool = False

    def fate(self, request: Request) -> Fate:
        """What becomes of this request."""
        random = self.random
        seconds_before, seconds_after = random.choice((0.0, 0.05, 0.2)), random.choice((0.0, 0.0, 0.05, 0.3))
        if self.calm:
            return Fate(seconds_before, seconds_after)
        chance = random.random()
        if chance < self.kills:
            return Fate(seconds_before, stored=random.random() < 0.6, kill=True)
        if chance < self.kills + self.faults:
            return self._fault(request, seconds_before, seconds_after)
        if request.method == "POST" and request.plural == "pods" and random.random() < self.slow:
            seconds_before = random.choice((20.0, 60.0, 200.0))
        return Fate(seconds_before, seconds_after)

    def weather(self) -> Weather:
        """How an operator's watches behave."""
        return Weather(self._lag, self._mishap)

    def _fault(self, request: Request, seconds_before: float, seconds_after: float) -> Fate:
        random = self.random
        if request.method == "POST" and request.plural == "pods" and random.random() < 0.3:
            return Fate(seconds_before, seconds_after, error=403, message=QUOTA, stored=False)
        if random.random() < 0.4:
            return Fate(seconds_before, seconds_after, error=random.choice((504, CONNECTION_LOST)))
        codes = [404, 429, 500, 504, CONNECTION_LOST]
        codes += [409, 422] if request.of_status else []
        codes += [410] if request.method == "GET" and not request.name else []
        return Fate(seconds_before, seconds_after, error=random.choice(codes), stored=False)

    def _lag(self, plural: str) -> float:
        if self.calm:
            return 0.1
        return self.random.uniform(0.0, self.lag) if self.random.random() < self.late else 0.1

    def _mishap(self, plural: str) -> Mishap:
        lucky = self.calm or not self.mishaps or self.random.random() >= self.mishap
        return "" if lucky else self.random.choice(self.mishaps)
