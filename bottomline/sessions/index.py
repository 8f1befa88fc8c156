"""A user's live sessions: list them, end one, end all, or tell them all that the user changed."""

import json
from dataclasses import dataclass
from typing import Any, cast

from django.utils import timezone

from bottomline.sessions.record import Meta, Record
from bottomline.sessions.redis import client, index_key, session_key

# KEYS: the user's index. ARGV: key prefix, a digest to spare (or ""). Returns how many ended.
END_ALL = """
local ended = 0
for _, digest in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if digest ~= ARGV[2] then
    ended = ended + redis.call('DEL', ARGV[1] .. digest)
    redis.call('ZREM', KEYS[1], digest)
  end
end
return ended
"""

# KEYS: the user's index. ARGV: key prefix, the new snapshot. Only sessions that exist are written.
REFRESH = """
for _, digest in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local key = ARGV[1] .. digest
  if redis.call('EXISTS', key) == 1 then redis.call('HSET', key, 'user', ARGV[2]) end
end
"""


@dataclass(frozen=True)
class LiveSession:
    digest: str
    meta: Meta


def list_live(user_id: object) -> list[LiveSession]:
    """The user's sessions that are live now, the latest seen first; two round trips."""
    redis, now = client(), timezone.now()
    found = cast(list[bytes], redis.zrange(index_key(user_id), 0, -1))
    digests = [digest.decode() for digest in found]
    pipeline = redis.pipeline(transaction=False)
    for digest in digests:
        pipeline.hmget(session_key(digest), ("data", "user", "meta"))
    records = [(d, Record.loads(*raw)) for d, raw in zip(digests, pipeline.execute(), strict=True)]
    live = [LiveSession(d, record.meta) for d, record in records if record]
    return sorted(
        (session for session in live if session.meta.is_live(now)),
        key=lambda session: session.meta.seen,
        reverse=True,
    )


def end_all(user_id: object, *, spare: str = "") -> int:
    """End the user's sessions, but for one digest to spare; returns how many there were.

    It holds on their very next request. Whoever needs it to outlive even a lost Redis raises the
    user's epoch as well.
    """
    script = client().register_script(END_ALL)
    return int(script(keys=[index_key(user_id)], args=[session_key(""), spare]))


def refresh(user_id: object, snapshot: dict[str, Any]) -> None:
    """Give all of the user's sessions a new snapshot, so a change shows on the next request."""
    script = client().register_script(REFRESH)
    script(keys=[index_key(user_id)], args=[session_key(""), json.dumps(snapshot)])
