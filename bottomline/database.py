"""A connection to PostgreSQL that gives up on a server which says nothing."""

from typing import Final, TypeVar

from psycopg import Connection, OperationalError
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

# A server that works answers within its own statement_timeout (settings.py), if only that it gave
# up. One whose host is frozen does not say even that, and the client by itself waits for ever.
LONGEST_WAIT: Final = 6.0  # seconds

Answer = TypeVar("Answer")


class BoundedConnection(Connection):
    """Raises OperationalError, like a server that is away, after LONGEST_WAIT without an answer."""

    def wait(
        self, gen: PQGen[Answer], interval: float = 0.1, timeout: float | None = LONGEST_WAIT
    ) -> Answer:
        try:
            return super().wait(gen, interval, timeout)
        except OperationalError:
            # Not answered yet: what comes late would be taken for the answer to the next question.
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.close()
            raise
