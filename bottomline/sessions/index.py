"""A user's live sessions: list them, end one, end all, or tell them all that the user changed."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar, cast

from django.utils import timezone

from bottomline.batches import BATCH
from bottomline.sessions.record import Meta, Record
from bottomline.sessions.redis import client, index_key, session_key

Id = TypeVar("Id")

# KEYS: the user's index, a session. ARGV: its digest. Ends it if it is that user's.
END_ONE = """
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
return redis.call('DEL', KEYS[2])
"""

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

# KEYS: the user's index. ARGV: key prefix, the new snapshot. Only sessions that exist are written,
# and of those the ones of its epoch: an older one has ended, and is not to be believed again.
REFRESH = """
local epoch = cjson.decode(ARGV[2])['session_epoch']
for _, digest in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local key = ARGV[1] .. digest
  local kept = redis.call('HGET', key, 'user')
  if kept and cjson.decode(kept)['session_epoch'] == epoch then
    redis.call('HSET', key, 'user', ARGV[2])
  end
end
"""


@dataclass(frozen=True)
class LiveSession:
    digest: str
    meta: Meta

    @property
    def handle(self) -> str:
        """What pages call it by: 128 bits that lead neither to its id nor to its key in Redis."""
        return sha256(self.digest.encode()).hexdigest()[:32]


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


def end_one(user_id: object, handle: str) -> bool:
    """End one of the user's sessions, on its next request; False if they have none of that name."""
    digest = next((one.digest for one in list_live(user_id) if one.handle == handle), None)
    if digest is None:
        return False
    script = client().register_script(END_ONE)
    return bool(script(keys=[index_key(user_id), session_key(digest)], args=[digest]))


def end_all(user_id: object, *, spare: str = "") -> int:
    """End the user's sessions, but for one digest to spare; returns how many there were.

    It holds on their very next request. Whoever needs it to outlive even a lost Redis raises the
    user's epoch as well.
    """
    script = client().register_script(END_ALL)
    return int(script(keys=[index_key(user_id)], args=[session_key(""), spare]))


def end_all_of(user_ids: Iterable[object]) -> None:
    """End every session of these users, in one round trip."""
    pipeline = client().pipeline(transaction=False)
    script = client().register_script(END_ALL)
    for user_id in user_ids:
        script(keys=[index_key(user_id)], args=[session_key(""), ""], client=pipeline)
    pipeline.execute()


def logged_in(user_ids: Sequence[Id]) -> list[Id]:
    """Which of these users have a session, or had one lately; one round trip."""
    pipeline = client().pipeline(transaction=False)
    for user_id in user_ids:
        pipeline.exists(index_key(user_id))
    return [user_id for user_id, is_in in zip(user_ids, pipeline.execute(), strict=True) if is_in]


def count_stale() -> int:
    """How many entries of indexes `drop_stale` would remove."""
    return sum(len(digests) for page in _stale(BATCH) for digests in page.values())


def drop_stale(batch: int = BATCH) -> Iterator[int]:
    """Remove from the indexes what names no session any more, idle ones that ran out above all.

    Says how many went, after each page of about so many indexes. An id is never used again, so what
    is gone when we look cannot be a session by the time we remove it.
    """
    for page in _stale(batch):
        pipeline = client().pipeline(transaction=False)
        for key, digests in page.items():
            pipeline.zrem(key, *digests)
        yield sum(pipeline.execute())


def _stale(batch: int) -> Iterator[dict[bytes, list[bytes]]]:
    redis, cursor = client(), -1
    while cursor:
        found = redis.scan(max(cursor, 0), match=index_key("*"), count=batch)
        cursor, keys = cast(tuple[int, list[bytes]], found)
        pipeline = redis.pipeline(transaction=False)
        for key in keys:
            pipeline.zrange(key, 0, -1)
        entries = [
            (key, digest)
            for key, each in zip(keys, pipeline.execute(), strict=True)
            for digest in each
        ]
        pipeline = redis.pipeline(transaction=False)
        for _, digest in entries:
            pipeline.exists(session_key(digest.decode()))
        stale: dict[bytes, list[bytes]] = {}
        for (key, digest), exists in zip(entries, pipeline.execute(), strict=True):
            if not exists:
                stale.setdefault(key, []).append(digest)
        yield stale


def refresh(user_id: object, snapshot: dict[str, Any]) -> None:
    """Give all of the user's sessions a new snapshot, so a change shows on the next request."""
    script = client().register_script(REFRESH)
    script(keys=[index_key(user_id)], args=[session_key(""), json.dumps(snapshot)])
