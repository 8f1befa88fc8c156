"""What is counted, shown by `bottomline.exposition` at `/metrics`.

Counting asks nobody: it writes into memory, which the processes of a machine share as files
(prometheus-client's multiprocess mode), so that whichever of them is asked answers for all.

Each label is a word of ours, of which there are few: an event, a view, a limit. Never who, from
where, or anything that somebody typed.
"""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

# All have labels: what has none makes its file as soon as it is defined, in every process.
REQUESTS = Counter("bottomline_requests", "Answers given.", ["view", "status"])
REQUEST_SECONDS = Histogram(
    "bottomline_request_seconds",
    "How long an answer took, from when a thread took the request up.",
    ["view"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
EVENTS = Counter(
    "bottomline_events",
    "What happened to accounts and invites, and why not where something was refused.",
    ["event", "reason"],
)
LIMITS_EXCEEDED = Counter(
    "bottomline_limits_exceeded", "Attempts over a limit, by its name.", ["limit"]
)
UNAVAILABLE = Counter(
    "bottomline_unavailable", "Requests answered 503, by what was away or full.", ["reason"]
)
HASHING_REQUESTS = Gauge(
    "bottomline_hashing_requests",
    "Requests that hash a password now, or wait to be let in.",
    ["state"],
    multiprocess_mode="livesum",
)
HASH_SECONDS = Histogram(
    "bottomline_hash_seconds",
    "How long one Argon2 hash took, with the wait for a thread.",
    ["work"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1),
)
MAILS = Counter("bottomline_mails", "Attempts to deliver a mail.", ["kind", "outcome"])
TASKS = Counter("bottomline_tasks", "Tasks that a worker has ended, by how.", ["task", "state"])


def count_answer(view: str, status: int, seconds: float) -> None:
    answers, durations = _series_of(view, status)
    answers.inc()
    durations.observe(seconds)


@cache  # looking both up would cost as much as counting, and there are few
def _series_of(view: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(view, status), REQUEST_SECONDS.labels(view)
