"""E-mail addresses: what is one where it is typed, and to whom a mail goes.

What somebody types (on a page, in an estate file or a table) has to be an address that a mail can be written to, letter by letter. What is
stored already may come from a media server, which is never argued with: so the mail itself looks again, and goes to nobody rather than to
somebody else.
"""

from __future__ import annotations

import re
from email import message_from_string
from email.message import EmailMessage
from email.policy import SMTP, default
from email.utils import getaddresses

#: Begins an encoded word (RFC 2047): whatever it stands for, a line or another address, a header would decode it.
ENCODED = "=?"
#: What is meant to be an address. Who writes to a machine of their own needs no dot.
SHAPE = re.compile(r"[^@\s<>]+@[^@\s<>]+")
#: What parts addresses in a header, or begins something else there (RFC 5322 3.2.3), and what cannot be in any.
SPECIAL = re.compile(r'[()\[\]:;,\\"\x00-\x1f\x7f-\x9f\ud800-\udfff]')
#: What it may be in all the same: quoted before the @, or in the brackets of a numeric address behind it.
ENCLOSED = re.compile(r'^"[^"\\\x00-\x1f\x7f-\x9f\ud800-\udfff]+"(?=@)|(?<=@)\[[\w.:-]+\]$')
#: Whatever was stored, with less than this it is none.
LEAST = re.compile(r".+@[^@]+")
#: A name with an address, or an address in pointed brackets.
NAMED = re.compile(r"[^<>]*<([^<>]*)>")


def missed(text: str) -> str:
    """What a typed text is not, to follow “must be” or “is not”; empty for an address that a mail can be written to."""
    if not SHAPE.fullmatch(text):
        return "an e-mail address"
    wrong = ENCODED if ENCODED in text else _special_in(text)
    return f"an e-mail address that a mail can be written to: {_shown(wrong)} may not be in it" if wrong else ""


def missed_by_sender(text: str) -> str:
    """The same for a sender: an address, or a name with one in pointed brackets behind it."""
    named = NAMED.fullmatch(text)
    address = (named[1] if named else text).strip()
    if (wrong := missed(address)) or not named or _is_read_as(text, address):
        return wrong
    hint = "write the name as it is to be read" if ENCODED in text else "put the name in quotes"
    return f"a name and an address that a mail can be written from: {hint}"


def recipients_in(text: str) -> list[str]:
    """To whom a mail goes, by one stored address or several parted by commas; names before them are left out. Raises `ValueError` for what
    is none: people's addresses come from media servers too, and a line within one would become another recipient, and so would an encoded
    word."""
    found = [address for _name, address in getaddresses([text]) if address]
    has_more_in_it = ENCODED in text or any(ord(character) < 32 or ord(character) == 127 for character in text)
    if not found or has_more_in_it or not all(LEAST.fullmatch(address) for address in found):
        raise ValueError("This is no address.")
    return found


def not_encoded(text: str) -> str:
    """A text that no reader of a header decodes into another."""
    return text.replace(ENCODED, "= ?")


def _is_read_as(sender: str, address: str) -> bool:
    """Whether this address is the one that the mail server is told, and the one that stands in the head of the mail."""
    message = EmailMessage()
    try:
        message["From"] = sender
        head = message.as_string(policy=SMTP.clone(utf8=not address.isascii()))
        read = message_from_string(head, policy=default)["From"].addresses
        told = getaddresses([str(message["From"])])
    # What reads addresses in the standard library may raise anything for a name it does not expect.
    except Exception:
        return False
    return [one.addr_spec for one in read] == [found for _name, found in told] == [address]


def _special_in(address: str) -> str:
    found = SPECIAL.search(ENCLOSED.sub("", address))
    return found[0] if found else ""


def _shown(wrong: str) -> str:
    return f"“{wrong}”" if wrong.isprintable() else "a control character"
