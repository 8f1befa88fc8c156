"""What browsers report when a page of ours asked for what its policy forbids (ASVS 3.4.7).

Somebody has found a hole in a page, or an extension is at work in a browser; either way one line in
the log: which directive, and the origin of what was blocked. Never an address: ours hold tokens,
and so may others. Nothing of a report is kept, and none is believed: anybody can write one.
"""

import json
import logging
import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from bottomline.caller import caller_of
from bottomline.limits import Limit, spend
from bottomline.responses import error_page

log = logging.getLogger(__name__)

REPORTS_BY_NETWORK = Limit("csp-report:network", 60, timedelta(hours=1))
LINES = 5  # of a log, from one request: a browser sends several reports together

# All that is taken from a report is of these shapes, in which no token fits.
WORD = re.compile(r"[a-z-]{1,32}")  # a directive, a scheme, or a keyword such as `inline`
HOST = re.compile(r"[a-z0-9.-]{1,253}")
OTHER = "other"

Violation = tuple[str, str]  # the directive, and the origin or keyword of what was blocked


@csrf_exempt
@login_not_required
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """204, and a line in the log. From anybody: browsers send neither cookie nor token with it.

    No token is needed because nobody's rights are used: no cookie is read, nothing changes, and
    who would make a browser send a report could as well send it. All there is to gain, lines in
    the log, counts against the network it comes from.
    """
    read = {"application/csp-report": _in_report, "application/reports+json": _in_batch}.get(
        request.content_type or ""
    )
    if read is None:
        return HttpResponse(status=415)
    spend((REPORTS_BY_NETWORK, caller_of(request).network))
    try:
        violations = read(json.loads(request.body))
    except (ValueError, RecursionError, TypeError, AttributeError, KeyError):
        return error_page(request, 400)  # no report, whatever else it may be
    for directive, blocked in sorted(set(violations))[:LINES]:
        log.warning("csp.violated", extra={"directive": directive, "blocked": blocked})
    return HttpResponse(status=204)


def _in_report(sent: Any) -> list[Violation]:
    """The violation in what `report-uri` is sent: CSP Level 3, section 5.3."""
    report = sent["csp-report"]
    directive = report.get("effective-directive") or report["violated-directive"]
    return [(_directive(directive), origin_of(report.get("blocked-uri", "")))]


def _in_batch(sent: Any) -> list[Violation]:
    """The violations among what `report-to` is sent: reports of several kinds, in a list."""
    if not isinstance(sent, list):
        raise TypeError
    bodies = [report["body"] for report in sent if report["type"] == "csp-violation"]
    return [
        (_directive(body["effectiveDirective"]), origin_of(body.get("blockedURL", "")))
        for body in bodies
    ]


def _directive(value: str) -> str:
    name = value.partition(" ")[0]  # older browsers send the whole directive
    return name if WORD.fullmatch(name) else OTHER


def origin_of(blocked: str) -> str:
    """The scheme, host and port of an address and nothing else of it; a keyword as it is."""
    if WORD.fullmatch(blocked):
        return blocked
    parts = urlsplit(blocked)
    if not WORD.fullmatch(parts.scheme):
        return OTHER
    if not HOST.fullmatch(parts.hostname or ""):
        return parts.scheme
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
