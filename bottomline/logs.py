"""Log lines are events with fields: JSON for machines, one line for a person developing.

No address, token, code or cookie reaches a log (ASVS 16.2.5). Our own events carry ids; whatever
others log is searched for the shapes of our secrets. What belongs to one request, or to one task of
a worker, has its number in the field `request`.
"""

import json
import logging
import re
from datetime import UTC, datetime

from bottomline import request_id

# A token or session id is 43 characters of base64url, a device cookie 22 and at least 43 more; an
# address has an at sign in it, which an address of a page spells %40.
SECRET = re.compile(r"(?<![\w-])(?:[\w-]{43}(?:\.[\w-]{43})?|[\w-]{22}\.[\w-]{43,214})(?![\w-])")
ADDRESS = re.compile(r"[^\s@<>\"'=:,;/]{1,64}(?:@|%40)[^\s@<>\"'=:,;/]{1,255}")

# What every record has; whatever else is on one was given as `extra`.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
UNWANTED = {"request", "status_code", "exc_info", "data"}


def redact(text: str) -> str:
    """The text without anything shaped like a token, a session id or an address."""
    return ADDRESS.sub("[address]", SECRET.sub("[secret]", text))


class HideSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):  # its arguments do not fit: no reason to fail
            text = f"{record.msg} {record.args!r}"
        record.msg, record.args = redact(text), ()
        return True


def _fields(record: logging.LogRecord) -> dict[str, str]:
    fields = {
        name: redact(str(value))
        for name, value in vars(record).items()
        if name not in STANDARD and name not in UNWANTED
    }
    number = request_id.current()
    return {**fields, "request": number} if number else fields


class JSONFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(line)


class LineFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        line = f"{record.levelname.lower():7} {record.getMessage()} {fields}".rstrip()
        lines = [line]
        if record.exc_info:
            lines += redact(self.formatException(record.exc_info)).split("\n")
        return "\n".join(map(_printable, lines))


def _printable(line: str) -> str:
    """The line without what would begin another, or tell a terminal what to do (ASVS 16.4.1)."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in line
    )
