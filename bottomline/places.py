"""So many at once, and of one network no more than its share."""

from collections import Counter
from threading import Lock


class Places:
    """Places that requests take while they wait for something; nobody waits for a place.

    A network has a quarter of them, so that one alone keeps nobody else out.
    """

    def __init__(self, number: int) -> None:
        self.number, self.share = number, max(1, number // 4)
        self._taken: Counter[str] = Counter()
        self._lock = Lock()

    def take(self, network: str) -> bool:
        """Take one, if there is one for that network. Whoever did must give it back."""
        with self._lock:
            if self._taken.total() >= self.number or self._taken[network] >= self.share:
                return False
            self._taken[network] += 1
            return True

    def give_back(self, network: str) -> None:
        with self._lock:
            self._taken[network] -= 1
            if not self._taken[network]:
                del self._taken[network]
