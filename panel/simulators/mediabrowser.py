"""The way of a request through a simulated Emby or Jellyfin, from its path to its answer."""

from __future__ import annotations

from typing import Any

from panel.simulators.http import Answer, Call
from panel.simulators.mediabrowser_accounts import Account, Caller
from panel.simulators.mediabrowser_routes import Asked, Need, Refused, Route, Routes
from panel.simulators.mediabrowser_state import MediaBrowserState


class MediaBrowser(MediaBrowserState):
    """A server of the MediaBrowser family. Children say where a token travels, how they refuse, and what they show."""

    routes: Routes[Any]
    answers_while_starting: frozenset[str] = frozenset()

    def answer(self, call: Call) -> Answer:
        """Find the route, admit the caller, carry out; note afterwards how the account concerned stands."""
        path = self.served_path(call)
        if self.starting and path.lower() not in self.answers_while_starting:
            return self.answer_starting()
        found = self.routes.find(call.method, path)
        if found is None:
            return self.answer_no_route(path)
        route, ids = found
        asked = Asked(call, ids, {name.lower(): value for name, value in call.query.items()})
        try:
            self._admit(route, asked)
            return route.handler(self, asked)
        except Refused as refusal:
            return refusal.answer
        finally:
            if asked.touched and call.method != "GET":
                self._note(asked.touched)

    def _admit(self, route: Route[Any], asked: Asked) -> None:
        token = self.token_of(asked)
        asked.caller = self._caller(token)
        if route.need is Need.NOTHING:
            return
        if asked.caller is None:
            raise Refused(self.answer_no_caller(token))
        if route.need is Need.ADMIN and not asked.caller.is_admin:
            raise Refused(self.answer_no_admin())
        if asked.call.method != "GET" and self.writes_locked_every:
            self._writes += 1
            if self._writes % self.writes_locked_every == 0:
                raise Refused(self.answer_locked())

    def _caller(self, token: str) -> Caller | None:
        if token in self.keys:
            return Caller(token, None)
        sign_in = self.tokens.get(token)
        account = self.users.get(sign_in.account_id) if sign_in else None
        return None if account is None or account.policy["IsDisabled"] else Caller(token, account)

    def _note(self, account: Account) -> None:
        exists = account.id in self.users
        self.exposure.note(account, exists and not self.why_no_sign_in(account, "") and bool(self.visible(account)))

    def served_path(self, call: Call) -> str:
        """The path without what may stand before it."""
        return call.path

    def token_of(self, asked: Asked) -> str:
        """The token the request carries, "" for none."""
        raise NotImplementedError

    def answer_starting(self) -> Answer:
        """503 while the server starts."""
        raise NotImplementedError

    def answer_locked(self) -> Answer:
        """500 when the database is locked."""
        raise NotImplementedError

    def answer_no_route(self, path: str) -> Answer:
        """404, or 405 where another verb is served."""
        raise NotImplementedError

    def answer_no_caller(self, token: str) -> Answer:
        """401; `token` is what was refused, "" when none came."""
        raise NotImplementedError

    def answer_no_admin(self) -> Answer:
        """403 for a caller without the right."""
        raise NotImplementedError
