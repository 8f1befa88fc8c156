"""A member's own data to take away: asked for, made by a worker, and gone after some days."""

import json
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, Any
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile

from django.core.files import File
from django.core.files.storage import default_storage
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import emails, limits
from accounts.errors import ExportTooSoon
from accounts.events import record
from accounts.models import Event, Export, User
from accounts.models.export import FOLDER, MOST_ATTEMPTS
from accounts.services import reauth
from accounts.signals import exporting
from bottomline import files, hints
from bottomline.afterwards import after_commit
from bottomline.batches import BATCH, delete, in_batches
from bottomline.caller import Caller
from bottomline.limits import spend
from bottomline.pictures import store
from bottomline.pictures.redraw import SIZES
from bottomline.sessions import index

log = logging.getLogger("accounts")

MAKE = "accounts.tasks.make_export"
AT_ONCE = 20  # made in one sweep
REMEMBERED = timedelta(days=30)  # for so long an old link says that its file is gone


@dataclass(frozen=True)
class Part:
    """One file of an export, in pieces, so that no part of it needs to fit into memory."""

    name: str
    pieces: Iterable[str | bytes]


def request(user: User, *, caller: Caller) -> Export:
    """Have a copy of the member's data made. Raises ProofTooOld, and ExportTooSoon once a day."""
    reauth.require(caller)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # of two at once the second finds one
        last = find_latest(user)
        if last and (until := last.next_from):
            raise ExportTooSoon(until)
        export = Export.objects.create(user=user)
        record("export.requested", caller=caller, user=user, export=str(export.pk))
        after_commit(hints.publish, MAKE, export.pk)
    return export


def find_latest(user: User) -> Export | None:
    """What the member asked for last, whatever became of it."""
    return Export.objects.filter(user=user).order_by("-requested_at").first()


def find(user: User, export_id: UUID) -> Export | None:
    """The member's own export of that id, whether or not its file is still there."""
    return Export.objects.filter(user=user, pk=export_id).exclude(ready_at=None).first()


def open_file(export: Export, *, caller: Caller) -> IO[bytes]:
    """The file of an export, which is recorded.

    Raises ProofTooOld, TooManyAttempts, Unavailable; FileNotFoundError once it is gone.
    """
    reauth.require(caller)
    if not export.is_downloadable:
        raise FileNotFoundError
    spend((limits.EXPORT_DOWNLOAD_BY_MEMBER, str(export.user_id)))
    with files.reachable():
        file = default_storage.open(export.name)
    record("export.downloaded", caller=caller, user=export.user_id)
    return file


def make(export_id: UUID) -> bool:
    """Make one that waits, unless another worker has it; safe to run any number of times.

    A worker that is killed leaves the row claimed; when the lease ends another begins anew.
    """
    export = Export.objects.select_related("user").claim(export_id)
    if export is None:
        return False
    with tempfile.TemporaryFile() as file:
        _write(export.user, file)
        size = file.tell()
        file.seek(0)
        default_storage.save(export.name, File(file))
    with transaction.atomic():
        is_mine = export.finish(size)
        if is_mine:
            emails.export_ready(export)
    if not is_mine:
        default_storage.delete(export.name)  # erased meanwhile, or so slow that another made it
    return is_mine


def sweep() -> int:
    """Make whatever waits, and give up on what fails again and again; returns how many were made.

    For whoever asked while the broker was away, or whose worker was killed.
    """
    waiting = Export.objects.waiting()
    if waiting.filter(attempts__gte=MOST_ATTEMPTS).update(failed_at=timezone.now()):
        log.error("export.failed")
    made = 0
    for export_id in list(waiting.order_by("requested_at").values_list("pk", flat=True)[:AT_ONCE]):
        try:
            made += make(export_id)
        except Exception:
            log.exception("export.crashed", extra={"id": str(export_id)})
    return made


def count_over() -> int:
    """How many files and rows `prune` would delete."""
    return Export.objects.over().count() + _forgotten().count() + sum(1 for _ in _orphans())


def prune(batch: int = BATCH) -> Iterator[int]:
    """Delete files whose time is over or that belong to nobody, and rows nobody asks for any more.

    Says after each file, and after each transaction of so many rows, how many went.
    """
    for exports in in_batches(Export.objects.over(), batch):
        for export in exports:
            default_storage.delete(export.name)
            yield Export.objects.filter(pk=export.pk).update(name="")
    yield from delete(_forgotten(), batch)
    for name in _orphans():
        default_storage.delete(name)
        yield 1


def delete_files(names: Iterable[str]) -> None:
    """Delete the files of a member who is erased. What fails here `prune` does later."""
    for name in filter(None, names):
        default_storage.delete(name)


def _forgotten() -> QuerySet[Export]:
    return Export.objects.filter(requested_at__lt=timezone.now() - REMEMBERED, name="")


def _orphans() -> Iterator[str]:
    """What was being written when a worker was killed, or could not be deleted in its time."""
    for file in files.list_names(FOLDER):
        name = f"{FOLDER}/{file}"
        if not Export.objects.filter(name=name).exists():
            yield name


def _write(user: User, file: IO[bytes]) -> None:
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for part in _parts(user):
            with archive.open(part.name, "w") as entry:
                for piece in part.pieces:
                    entry.write(piece.encode() if isinstance(piece, str) else piece)


def _parts(user: User) -> Iterator[Part]:
    yield Part("README.txt", [README.format(username=user.username, made=timezone.now())])
    yield Part("profile.json", as_json(_profile(user)))
    yield Part("second-factor.json", as_json(_second_factor(user)))
    yield Part("passkeys.json", as_list(_passkeys(user)))
    yield Part("sessions.json", as_list(_sessions(user)))
    yield Part("events.json", as_list(_events(user)))
    picture = store.read(user.picture, max(SIZES)) if user.picture else None
    if picture:
        yield Part("picture.webp", [picture])
    for _, part in exporting.send(User, user=user):
        assert isinstance(part, Part)
        yield part


def as_json(value: Any) -> Iterator[str]:
    yield json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2) + "\n"


def as_list(rows: Iterable[Any]) -> Iterator[str]:
    """Rows as one JSON list, a line each, without holding them all."""
    lead = "["
    for row in rows:
        yield f"{lead}\n{json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False)}"
        lead = ","
    yield "[]\n" if lead == "[" else "\n]\n"


def _profile(user: User) -> dict[str, Any]:
    return {
        "id": user.pk,
        "email": user.email,
        "email_confirmed_at": user.email_confirmed_at,
        "username": user.username,
        "former_usernames": list(
            user.former_usernames.order_by("given_up_at").values("username", "given_up_at")
        ),
        "display_name": user.display_name,
        "bio": user.bio,
        "language": user.language,
        "time_zone": user.time_zone,
        "is_staff": user.is_staff,
        "is_owner": user.is_superuser,
        "blocked_until": user.blocked_until,
        "block_reason": user.block_reason,
        "member_since": user.created_at,
        "last_login": user.last_login,
        "linked_identities": list(
            user.identities.order_by("linked_at").values("issuer", "subject", "email", "linked_at")
        ),
        "email_changes": list(
            user.email_changes.order_by("requested_at").values(
                "old_email", "new_email", "requested_at", "confirmed_at", "ended_at", "undone_at"
            )
        ),
    }


def _second_factor(user: User) -> dict[str, Any]:
    return {
        "since": user.second_factor_at,
        "recovery_codes_used_at": list(
            user.recovery_codes.exclude(used_at=None).values_list("used_at", flat=True)
        ),
        "resets": list(
            user.factor_resets.order_by("requested_at").values(
                "requested_at", "note", "approved_at", "ended_at", "outcome"
            )
        ),
        "trusted_browsers": list(user.trusted_browsers.values("user_agent", "trusted_at")),
    }


def _passkeys(user: User) -> Iterator[Mapping[str, Any]]:
    rows = user.passkeys.order_by("pk")
    yield from rows.values("name", "is_synced", "created_at", "last_used_at")


def _sessions(user: User) -> Iterator[dict[str, Any]]:
    for session in index.list_live(user.pk):
        meta = session.meta
        yield {
            "logged_in_at": meta.created,
            "by": meta.method,
            "last_seen_at": meta.seen,
            "ends_at": meta.expires,
            "stays_logged_in": meta.remembered,
            "ip": meta.ip,
            "user_agent": meta.user_agent,
        }


def _events(user: User) -> Iterator[Mapping[str, Any]]:
    rows = Event.objects.filter(user_id=user.pk).order_by("pk")
    yield from rows.values("at", "kind", "ip", "user_agent", "details").iterator(BATCH)


README = """\
This is what The Bottom Line keeps about {username}, as of {made:%-d %B %Y, %H:%M} UTC.

profile.json    who you are here: addresses, names, what you say of yourself, since when, and with
                which account elsewhere you log in
picture.webp    your picture, if you have one, as large as we keep it
second-factor.json  since when you are asked for a code, in which browsers you are not, and when
                somebody who lost it asked for its end
passkeys.json   what your passkeys are called, since when you have them, when you used them last
sessions.json   where you were logged in when this was made
events.json     what happened to your account, oldest first: when, from which network address and
                with which browser. After 90 days we forget from where, after 400 days the event.
invites.json    who invited you, and the invites you made: what you wrote on them and who came in

The .json files are text: any editor opens them, and programs read them easily. Times are in UTC.

What is not in here: your password, which we do not know ourselves (we keep what is needed to check
it), what your app makes codes of, your recovery codes, the keys of your passkeys, the secret parts
of links, and the addresses of other people.
"""
