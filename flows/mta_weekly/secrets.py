"""What nobody may read, and the one place where it is taken out of what a run says, writes down or sends.

Whoever reads a secret, from a variable, a block or a proxy's address, tells it here before it is used. It
is masked before anything is cut, in whatever case, in parts too: a source may repeat a token and cut it itself. From
the first secret on every line of the log is masked, whoever writes it, and those of HTTP libraries lose what else may
be a key.
"""

import base64
import logging
import re
import sys
import traceback
from contextlib import suppress
from functools import cache
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote

MASK = "..."
PART = 8  # letters in a row that give a secret away
SHORTEST = 4  # letters: a shorter word is masked where it stands in an address, and nowhere else
USERINFO = re.compile(r"(?<=//)[^/\s]*@")  # of an address, RFC 3986, 3.2.1; a password may hold what it should not
# In an address: user and password, or a user alone; but for a port, behind which a path may hold an @ too.
LOGIN = re.compile(r"//([^/\s:@]*):(?!\d{1,5}/)(\S*)@|//([^/\s:@]+)@")
CUTS = re.compile(r"[/?#@]")  # where a password that holds them is cut by who reads its address
SITE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
TALKERS = ("httpx", "httpcore", "urllib3")  # how the names of the loggers of HTTP libraries begin
# What they write and may be a key: the query of an address, and all that an answer begins with.
UNTOLD = re.compile(r"(\?)\S+|\b((?:return_value|exception)=).+", re.DOTALL)
NO_WORD = re.compile(r"[A-Z\d]|[a-z]{11}")  # in a name that nobody has thought of

_parts: dict[int, set[str]] = {size: set() for size in range(SHORTEST, PART + 1)}  # of secrets, by their length


def keep_secret(value: str) -> None:
    """Let nobody read this from now on, nor as an address or HTTP would write it."""
    guard_log()
    encoded = base64.b64encode(value.encode(errors="replace")).decode()
    for said in map(_fold, (value, quote(value, safe="", errors="replace"), unquote(value), encoded)):
        size = min(len(said), PART)
        if size >= SHORTEST <= len(value):  # what is quoted in it may be short when read
            _parts[size].update(said[at : at + size] for at in range(len(said) - size + 1))


def keep_login_secret(address: str) -> None:
    """Let nobody read the password that an address holds, nor its user where the name says something."""
    for word in address.split():
        # Up to its last sign, which each of a million "//:" would look for again.
        for found in LOGIN.finditer(word[: word.rfind("@") + 1]):
            user, password, alone = found.groups("")
            if len(user or alone) >= PART:
                keep_secret(user or alone)
            if password:
                for each in (password, *CUTS.split(password), f"{user}:{password}", unquote(f"{user}:{password}")):
                    keep_secret(each)


def keep_key_secret(key: object) -> None:
    """Let nobody read a private key in PEM, but for the lines that every one has."""
    for line in str(key).splitlines():
        if not line.startswith("-----"):
            keep_secret(line)


def keep_address_secret(address: str) -> None:
    """Let nobody read what makes an address a secret: the names in it that are no plain words, else all but its host.

    Plain words, as of a check that a person has named, stand in many a line that is no secret.
    """
    keep_login_secret(address)
    rest = SITE.sub("", address, count=1).partition("://")
    said = rest[2] or rest[0]
    names = [name for name in re.split(r"[/?#&=:@]", said) if len(name) >= PART and NO_WORD.search(name)]
    for name in names or [said]:
        keep_secret(name)


def mask(text: str) -> str:
    """A text without the secrets, and without the user and password of any address."""
    folded, shown, end = _fold(text), list[str](), 0
    found = [
        (at, at + size)
        for size, parts in _parts.items()
        if parts
        for at in range(len(folded) - size + 1)
        if folded[at : at + size] in parts
    ]
    for start, stop in sorted(found):
        if start > end or not shown:
            shown += [text[end:start], MASK]
        end = max(end, stop)
    return USERINFO.sub("", "".join([*shown, text[end:]]))


def clean(said: object, most: int) -> str:
    """What comes from outside as a person may read it: masked, in one line of characters that print, and then cut."""
    text = " ".join("".join(each if each.isprintable() else " " for each in mask(str(said))).split())
    return text if len(text) <= most else f"{text[: most - len(MASK)]}{MASK}"


def show_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An error that nobody expected, with its traceback, on stderr: what `sys.excepthook` does, masked."""
    sys.stderr.write(mask("".join(traceback.format_exception(kind, error, trace))))


@cache
def guard_log() -> None:
    """Let every line of the log be masked as it is made: no logger, handler or library has to think of it.

    An HTTP library's also without what may be a key that nobody tells us of, as in a redirect or an upload's address.
    """
    make = logging.getLogRecordFactory()

    def make_masked(*given: Any, **more: Any) -> logging.LogRecord:
        record = make(*given, **more)
        with suppress(Exception):  # what cannot be written is its handler's to say
            said = record.getMessage()
            shown = mask(UNTOLD.sub(rf"\1\2{MASK}", said) if record.name.startswith(TALKERS) else said)
            if shown != said:  # else it stays as it is: who reads its parts finds them
                record.msg, record.args = shown, None
            if record.exc_info:
                record.exc_text = mask(logging.Formatter().formatException(record.exc_info))  # formatters take it
        return record

    logging.setLogRecordFactory(make_masked)


def _fold(text: str) -> str:
    """The text in lower case, letter for letter."""
    return text.lower() if text.isascii() else "".join(each.lower()[0] for each in text)
