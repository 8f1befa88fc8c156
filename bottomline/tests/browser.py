"""A visitor without JavaScript: follows links, keeps cookies, fills in forms, speaks real HTTP."""

import contextlib
import http.client
import json
import re
import time
from html import unescape
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

from pyotp import TOTP

HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
LONGEST = 30  # seconds; whatever takes longer hangs


class Page:
    """An answer: its status, headers and text, and how long it took."""

    def __init__(self, response: http.client.HTTPResponse, began: float) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode("utf-8", "replace")
        self.seconds = time.monotonic() - began

    @property
    def hidden(self) -> dict[str, str]:
        return {name: unescape(value) for name, value in HIDDEN.findall(self.text)}

    @property
    def cookies_set(self) -> dict[str, str]:
        """What Set-Cookie says, by name; a deleted cookie is empty."""
        lines = self.headers.get_all("Set-Cookie") or []
        return {name: m.value for line in lines for name, m in SimpleCookie(line).items()}

    def json(self) -> Any:
        return json.loads(self.text)

    def __repr__(self) -> str:
        return f"<{self.status} in {self.seconds:.2f} s: {self.text[:200]!r}>"


class Visitor:
    """`ip` is where a trusted proxy says they come from; `host` what they claim to be asking.

    `site` is the https address they typed, where that proxy ends TLS.
    """

    def __init__(self, url: str, *, ip: str = "", host: str = "", site: str = "") -> None:
        parts = urlsplit(url)
        self.url, self.port = site or url, parts.port
        self.headers = {"Host": host or urlsplit(self.url).netloc}
        self.csrf_cookie = "__Host-csrf" if site else "csrf"
        if ip:
            self.headers["X-Forwarded-For"] = ip
        if site:
            self.headers |= {"X-Forwarded-Proto": "https", "Referer": f"{site}/"}
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **headers: str) -> Page:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, data: dict[str, str] | None = None, **headers: str) -> Page:
        """Post a form with the CSRF token of the cookie jar, as a page of ours would have it."""
        body = urlencode({"csrfmiddlewaretoken": self.csrf_token, **(data or {})})
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return self.request("POST", path, body=body, headers=headers)

    @property
    def csrf_token(self) -> str:
        if self.csrf_cookie not in self.cookies:
            self.get("/login/")
        return self.cookies.get(self.csrf_cookie, "")

    def request(
        self,
        method: str,
        path: str,
        *,
        body: str | bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Page:
        path = path.removeprefix(self.url)
        sent = {**self.headers, **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        began = time.monotonic()
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONGEST)
        ) as connection:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            self._keep(response.headers.get_all("Set-Cookie") or [])
            return Page(response, began)

    def _keep(self, cookies: list[str]) -> None:
        for line in cookies:
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0" or not morsel.value:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value

    def is_up(self, path: str) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get(path).status == 200
        return False

    # --- what people do ---

    def sign_up(self, link: str, email: str, username: str, password: str) -> Page:
        return self.post(link, {"email": email, "username": username, "password": password})

    def confirm(self, link: str) -> Page:
        page = self.get(link)
        assert page.status == 200, page
        return self.post("/confirm_account/", {"confirmation": page.hidden["confirmation"]})

    def log_in(self, email: str, password: str, **more: str) -> Page:
        return self.post("/login/", {"email": email, "password": password, **more})

    def set_up_factor(self) -> TOTP:
        """Have a second factor asked for from now on; returns the app that has the secret."""
        page = "/account/security/factor/"
        assert self.post(f"{page}start/").status == 302
        secret = re.search(r'id="secret">([A-Z2-7 ]+)<', self.get(f"{page}confirm/").text)
        assert secret
        app = TOTP(secret[1].replace(" ", ""))
        shown = self.post(f"{page}confirm/", {"code": app.now()})
        assert shown.status == 200, shown
        return app
