"""The one door to media servers: timeouts, no redirects, bounded answers, errors by consequence, nothing secret in a sentence."""

from __future__ import annotations

import email.utils
import json as jsonlib
import logging
import re
import time
from collections.abc import Mapping
from contextlib import closing, nullcontext
from datetime import UTC
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.utils import check_header_validity

from panel.platforms import answers, sent, wire
from panel.platforms.addresses import CheckedAdapter
from panel.platforms.base import (
    CredentialsRefused,
    LostAnswer,
    NotAllowed,
    NotAvailable,
    NotThere,
    PlatformError,
    Refused,
    ServerFault,
    TooManyRequests,
    UnexpectedAnswer,
    Unreachable,
)
from panel.platforms.counted import counted

log = logging.getLogger(__name__)

CONNECT_S = 5.0
READ_S = 30.0
MOST_BYTES = 32 * 1024 * 1024
QUOTED_CHARS = 200
#: Paths that mean the same in every notation; any other is brought into its proper form first.
PLAIN_PATH = re.compile(r"(/[A-Za-z0-9_-]+)*")

Guard = wire.Guard


def unguarded() -> None:
    """The guard of connections that no run stands behind."""


class HttpDoor:
    """Requests to one base URL with one set of headers. Connections are kept alive; safe to use from a few threads at once.

    `who` names the other side in sentences. `timeouts` is (connect, read) in seconds. `guard` is called before each changing request,
    and once more when its connection stands and nothing is left to do but to send it.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        who: str,
        *,
        timeouts: tuple[float, float] = (CONNECT_S, READ_S),
        guard: Guard = unguarded,
        session: requests.Session | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.who = who
        self.timeouts = timeouts
        self.guard = guard
        self._headers = dict(headers)
        self._session = session or new_session()

    @counted
    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: object = None,
        creates: bool = False,
        headers: Mapping[str, str] | None = None,
        read_s: float | None = None,
        quoted: bool = True,
        guard: Guard | None = None,
        fresh: bool = False,
    ) -> bytes:
        """One request; the body of a 2xx answer. Raises a `PlatformError` for everything else.

        `creates` marks a request that must not be sent twice: where its effect is unknown it raises `LostAnswer`. `quoted=False` keeps
        the other side's words out of errors: for requests with a password, which some servers echo. `guard` stands in for the door's.
        `fresh`: over a connection of its own, for what is not tried again: a kept one may have been closed by the server a moment ago.
        """
        guard = None if method == "GET" else guard or self.guard
        if guard is not None:
            guard()
        until, timeouts = time.monotonic() + answers.LONGEST_S, (self.timeouts[0], read_s or self.timeouts[1])
        with sent.noted(method, path, self._headers) as call:
            try:
                request = self._prepared(method, path, params, json, headers or {})
                with (
                    closing(new_session()) if fresh else nullcontext(self._session) as session,
                    wire.sending(guard, until),
                    # Straight to the adapter: it follows no redirects, and cookies are neither kept nor sent.
                    session.get_adapter(self.base_url).send(request, stream=True, timeout=timeouts) as response,
                ):
                    call.answered(response.status_code)
                    body = self._read(response, until, creates=creates)
                    log.debug("%s %s %s -> %s", self.who, method, path, response.status_code)
            except requests.RequestException as error:
                raise self._failure(error, creates=creates) from _bare(error)
            return self._accepted(response, body, quoted=quoted, creates=creates)

    def json(self, method: str, path: str, **how: Any) -> Any:
        """`send`, with the answer read as JSON (`None` for an empty one). Raises `UnexpectedAnswer` (`LostAnswer` where `creates`)
        when it is not JSON."""
        body = self.send(method, path, headers={"Accept": "application/json", **how.pop("headers", {})}, **how)
        if not body:
            return None
        try:
            return answers.data_of(body)
        except (ValueError, RecursionError):
            garbled: PlatformError = UnexpectedAnswer(
                f"{self.who} answered with something that is not data: perhaps another program, or a sign-in page, answers at this URL."
            )
            if how.get("creates"):
                garbled = LostAnswer(f"{self.who} gave a garbled answer to a request that creates something; it will be looked up.")
            raise (garbled if method == "GET" else sent.misread(garbled)) from None

    def _prepared(
        self, method: str, path: str, params: Mapping[str, Any] | None, json: object, headers: Mapping[str, str]
    ) -> requests.PreparedRequest:
        """What requests would send, at a fraction of its price: everything that is the same for all requests is made ready once.
        Raises `requests.RequestException`."""
        request = self._pattern.copy()
        request.method = method
        if params or request.url != f"{self.base_url}/" or not PLAIN_PATH.fullmatch(path):
            request.prepare_url(self.base_url + path, dict(params or {}))
        else:
            request.url = self.base_url + path
        for header in headers.items():
            check_header_validity(header)
            request.headers[header[0]] = header[1]
        request.body = None if json is None else _body_of(json)
        if request.body is not None:
            request.headers["Content-Type"] = "application/json"
        if method != "GET":
            request.headers["Content-Length"] = str(len(request.body or b""))
        return request

    @cached_property
    def _pattern(self) -> requests.PreparedRequest:
        return self._session.prepare_request(requests.Request("GET", f"{self.base_url}/", headers=self._headers))

    def _accepted(self, response: requests.Response, body: bytes, *, quoted: bool, creates: bool) -> bytes:
        """The body of a 2xx answer. Raises the `PlatformError` that any other amounts to."""
        if 200 <= response.status_code < 300:
            return body
        refusal = self._error_of(response, body if quoted else b"", creates=creates)
        raise _without_effect(refusal, creates and response.status_code < 500)

    def _read(self, response: requests.Response, until: float, *, creates: bool) -> bytes:
        try:
            return answers.body_of(response, MOST_BYTES, until)
        except answers.TooMuch as error:
            kind = LostAnswer if creates and response.ok else UnexpectedAnswer
            raise kind(f"{self.who} {error}") from None

    def _failure(self, error: requests.RequestException, *, creates: bool) -> PlatformError:
        """What a request without an answer amounts to."""
        if isinstance(error, (requests.ConnectTimeout, requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
            return _without_effect(Unreachable(f"{self.who} cannot be reached at its address."), creates)
        # Refused connections are certain not to have had an effect; everything later is not.
        if creates and not _never_left(error):
            return LostAnswer(f"{self.who} did not answer a request that creates something; it will be looked up.")
        return _without_effect(Unreachable(f"{self.who} does not answer ({_kind_of(error)})."), creates)

    def _error_of(self, response: requests.Response, body: bytes, *, creates: bool) -> PlatformError:
        status, who = response.status_code, self.who
        if 300 <= status < 400:
            return UnexpectedAnswer(f"{who} answered with a redirect: its URL is not the right one, or a sign-in page stands before it.")
        if status == 401:
            return CredentialsRefused(f"{who} refused the key: it was revoked, is mistyped, or its form is no longer accepted.")
        asked_s = retry_after_s(response.headers.get("Retry-After"), response.headers.get("Date"))
        if status == 429:
            return TooManyRequests(f"{who} asked us to slow down.", asked_s)
        if status == 503 and asked_s is not None:
            # Whether a request that creates something had an effect all the same is looked up once the time is over.
            return TooManyRequests(f"{who} is busy or under maintenance, and asked to be left alone for a while.", asked_s)
        if status == 503 and not creates:
            return Unreachable(f"{who} is starting up or under maintenance.")
        if status >= 500:
            if creates:
                return LostAnswer(f"{who} failed ({status}) during a request that creates something; it will be looked up.")
            return ServerFault(f"{who} failed with error {status}.")
        said = answers.without(answers.secrets_in(self._headers), words_of(body))
        sentence = f"{who} answered {status}" + (f": {said}" if said else ".")
        kinds: dict[int, type[PlatformError]] = {403: NotAllowed, 404: NotThere, 405: NotAvailable, 410: NotAvailable}
        return kinds.get(status, Refused)(sentence)

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()


def _body_of(json: object) -> bytes:
    try:
        return jsonlib.dumps(json, allow_nan=False).encode()
    except ValueError as error:
        raise requests.exceptions.InvalidJSONError(error) from None


def _without_effect(error: PlatformError, certain: bool) -> PlatformError:
    error.had_no_effect = certain
    return error


def new_session(pool: int = 8) -> requests.Session:
    """A session that ignores proxies' and netrc's environment (they replace `Authorization`) and keeps up to `pool` connections."""
    session = requests.Session()
    session.trust_env = False
    adapter = CheckedAdapter(pool_connections=4, pool_maxsize=pool, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def retry_after_s(value: str | None, answered: str | None = None) -> float | None:
    """Seconds from a Retry-After header: a number or an HTTP date; `None` for nothing usable. A date is reckoned from the one of the answer
    (`answered`, its Date header), so that it does not matter by how much the other side's clock and ours differ."""
    if not value:
        return None
    if re.fullmatch(r"\d{1,9}", value.strip()):
        return float(value)
    then, now = _timestamp(value), _timestamp(answered or "")
    return None if then is None else max(0.0, then - (time.time() if now is None else now))


def _timestamp(date: str) -> float | None:
    """Seconds since 1970 of an HTTP date (RFC 9110); `None` for what is none."""
    try:
        then = email.utils.parsedate_to_datetime(date)
        return (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def words_of(body: bytes) -> str:
    """The human text of an error answer (XML `status`, JSON `message` or `errors`, plain text), shortened, on one line; never a page."""
    text = body[:4000].decode("utf-8", "replace").strip()
    if not text or text[:200].lower().lstrip().startswith(("<!doctype", "<html")):
        return ""
    if text.startswith("{") or text.startswith('"'):
        text = _json_words(text)
    elif text.startswith("<"):
        found = re.search(r'(?:status|message)="([^"]*[^"\d][^"]*)"', text) or re.search(r"<error>([^<]+)</error>", text)
        text = found.group(1).replace("&#39;", "'").replace("&apos;", "'").replace("&quot;", '"').replace("&amp;", "&") if found else ""
    text = re.sub(r"(?i)(token|api_?key|password|pw)=[^\s&\"']+", r"\1=…", text)
    text = answers.storable(re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip())
    return text if len(text) <= QUOTED_CHARS else text[: QUOTED_CHARS - 1] + "…"


def _json_words(text: str) -> str:
    try:
        value = jsonlib.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, str):
        return value
    errors = value.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return str(errors[0].get("message") or "")
    if isinstance(errors, dict):
        return " ".join(str(line) for lines in errors.values() if isinstance(lines, list) for line in lines)
    return str(value.get("message") or value.get("title") or "")


def _never_left(error: requests.RequestException) -> bool:
    return "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error)


def _kind_of(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not accepted"
    return "the connection failed"


def _bare(error: BaseException) -> Exception:
    """The cause without its text: URLs and headers in it may hold a token."""
    return Exception(type(error).__name__)


def host_of(url: str) -> str:
    """Host and port of a URL, for sentences; never the user name and password that may stand before them."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or url.rpartition("@")[2]
    except ValueError:
        return "an address that is not a URL"
