"""Django's session engine on Redis: one hash a session, written only while it exists.

The stock cache engine reads and then writes, so a request in flight brings a revoked session back,
and it takes every error for an empty session, so an outage logs everybody out. Here each write asks
for the key's existence and sets it in one step on the server, and an outage is raised.
"""

import json
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.utils import timezone

from bottomline.sessions import cookie
from bottomline.sessions.record import FRESH_FOR, Meta, Record
from bottomline.sessions.redis import client, digest_of, index_key, read_fields, session_key

FIELDS = ("data", "user", "meta")

# KEYS: the session; and, for a new session of a user, that user's index.
# ARGV: "new" or "old", when the key ends (ms), how many fields and values, those;
# and with an index: digest, absolute expiry, now, how many a user may have, the key prefix.
# One step: a session that is not in the index could not be ended from elsewhere.
WRITE = """
if (redis.call('EXISTS', KEYS[1]) == 1) == (ARGV[1] == 'new') then return 0 end
local last = 3 + tonumber(ARGV[3])
redis.call('HSET', KEYS[1], unpack(ARGV, 4, last))
redis.call('PEXPIREAT', KEYS[1], ARGV[2])
if not KEYS[2] then return 1 end
local digest, expires, now, most, prefix = unpack(ARGV, last + 1)
redis.call('ZADD', KEYS[2], expires, digest)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local surplus = redis.call('ZCARD', KEYS[2]) - tonumber(most)
if surplus > 0 then
  local others = {}
  for _, other in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    local meta = redis.call('HGET', prefix .. other, 'meta')
    if other ~= digest then
      others[#others + 1] = {other, meta and cjson.decode(meta).created or 0}
    end
  end
  table.sort(others, function(one, two) return one[2] < two[2] end)
  for place = 1, surplus do
    redis.call('ZREM', KEYS[2], others[place][1])
    redis.call('DEL', prefix .. others[place][1])
  end
end
local latest = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
redis.call('EXPIREAT', KEYS[2], math.ceil(latest))
return 1
"""


class SessionStore(SessionBase):
    """A session, and beside Django's dictionary of it: `meta` and the `snapshot` of its user."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.meta: Meta | None = None
        self.snapshot: dict[str, Any] | None = None
        self.is_new = False

    # --- reading ---

    def load(self) -> dict[str, Any]:
        record = read(self.session_key) if self.session_key else None
        if record is None:
            self._session_key = None
            self.meta = self.snapshot = None
            return {}
        self.meta, self.snapshot = record.meta, record.user
        return record.data

    def exists(self, session_key: str) -> bool:
        return bool(client().exists(_key(session_key)))

    # --- writing ---

    def create(self) -> None:
        self.is_new = True
        while True:
            self._session_key = cookie.new_sid()
            try:
                self.save(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    def save(self, must_create: bool = False) -> None:
        """Write it. Raises CreateError where the key is taken, UpdateError where it is gone."""
        if self.session_key is None:
            return self.create()
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]  # not in stubs
        if self.meta is None:
            self.meta = Meta.begin()
        if "_session_expiry" in data:
            self.meta.expires = min(self.meta.expires, self.get_expiry_date())
        fields = {"data": _dumps(data), "meta": self.meta.dumps()}
        if self.snapshot is not None:
            fields["user"] = _dumps(self.snapshot)
        if not self._write(fields, "new" if must_create else "old"):
            raise CreateError if must_create else UpdateError
        return None

    def delete(self, session_key: str | None = None) -> None:
        sid = session_key or self.session_key
        if sid is not None:
            self._end(sid)

    def cycle_key(self) -> None:
        """The same session under a new id; the old id is dead (ASVS 7.2.4).

        Raises SessionInterrupted, answered 400, where somebody has ended it meanwhile: under
        another id it would come back.
        """
        data, old = dict(self.items()), self.session_key
        if old and not self._end(old):
            self.forget()
            raise SessionInterrupted("The session was ended while this request ran.")
        self._session_cache = data
        self.create()

    def flush(self) -> None:
        super().flush()
        self.meta = self.snapshot = None

    # --- what a logged-in session has beyond Django's ---

    def begin(self, snapshot: dict[str, Any], meta: Meta) -> None:
        """Make this session the given person's, from now on."""
        self.snapshot, self.meta = snapshot, meta
        self.modified = True

    def forget(self) -> None:
        """Be nobody's session: somebody ended it while we held it."""
        self.clear()
        self._session_key = None
        self.meta = self.snapshot = None

    def has_fresh_snapshot(self, now: datetime) -> bool:
        """Whether the user was read recently enough to be believed without the database."""
        return self.snapshot is not None and is_fresh(self.snapshot, now)

    def believe_snapshot_until(self, moment: datetime) -> None:
        """Put off reading the user again, because that is not possible now."""
        assert self.snapshot is not None
        self.write_snapshot(self.snapshot | {"read_at": (moment - FRESH_FOR).timestamp()})

    def write_snapshot(self, snapshot: dict[str, Any]) -> bool:
        """Keep a newly read user; False if the session ended meanwhile."""
        self.snapshot = snapshot
        return self._write({"user": _dumps(snapshot)}, "old")

    def touch(self, now: datetime) -> bool:
        """Note that the person was here; False if the session ended meanwhile."""
        assert self.meta is not None
        self.meta.seen = now
        return self._write({"meta": self.meta.dumps()}, "old")

    def _end(self, sid: str) -> bool:
        """Delete a session, and say whether there was one."""
        pipeline = client().pipeline()
        pipeline.delete(_key(sid))
        if self.snapshot is not None:
            pipeline.zrem(index_key(self.snapshot["id"]), digest_of(sid))
        return bool(pipeline.execute()[0])

    def _write(self, fields: dict[str, str], mode: str) -> bool:
        assert self.session_key is not None
        assert self.meta is not None
        digest = digest_of(self.session_key)
        flat = [part for pair in fields.items() for part in pair]
        keys = [session_key(digest)]
        args: list[Any] = [mode, int(self.meta.ends.timestamp() * 1000), len(flat), *flat]
        if self.is_new and self.snapshot is not None:
            keys.append(index_key(self.snapshot["id"]))
            args += [
                digest,
                self.meta.expires.timestamp(),
                timezone.now().timestamp(),
                settings.SESSIONS_PER_USER,
                session_key(""),
            ]
        return bool(client().register_script(WRITE)(keys=keys, args=args))

    @classmethod
    def clear_expired(cls) -> None:
        """Nothing to do: Redis drops what has expired by itself."""

    # --- the asynchronous twins ---

    async def aload(self) -> dict[str, Any]:
        return await sync_to_async(self.load)()

    async def aexists(self, session_key: str) -> bool:
        return await sync_to_async(self.exists)(session_key)

    async def acreate(self) -> None:
        await sync_to_async(self.create)()

    async def asave(self, must_create: bool = False) -> None:
        await sync_to_async(self.save)(must_create)

    async def adelete(self, session_key: str | None = None) -> None:
        await sync_to_async(self.delete)(session_key)

    async def acycle_key(self) -> None:
        await sync_to_async(self.cycle_key)()

    async def aflush(self) -> None:
        await sync_to_async(self.flush)()

    @classmethod
    async def aclear_expired(cls) -> None:
        cls.clear_expired()


def is_fresh(snapshot: dict[str, Any], now: datetime) -> bool:
    return now.timestamp() - snapshot["read_at"] < FRESH_FOR.total_seconds()


def read(sid: str) -> Record | None:
    """The live session of that id in one round trip, or None. An outage is raised."""
    data, user, meta = read_fields(_key(sid), *FIELDS)
    record = Record.loads(data, user, meta)
    if record is None or not record.meta.is_live(timezone.now()):
        return None
    return record


def _key(sid: str) -> str:
    return session_key(digest_of(sid))


def _dumps(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
