"""Sources whose heads, statuses and redirects are hostile, and what must become of a week that is loaded from them."""

from raw_answers import (
    DIGITS,
    FORBIDDEN,
    GZIP,
    HEAD,
    HOPS,
    LANDS,
    PART,
    PASSWORD,
    PROTOCOL,
    REST,
    ROWS,
    SLOW,
    TOO_MUCH,
    Behaviour,
    away,
    bomb,
    chunk,
    head,
    hops,
    length,
    on,
    once,
    redirect,
    sets_cookie,
    status,
    whole,
)
from raw_source import FOR_EVER, Again, Drip, Reset, say

FRAMING = [
    ("no status line", once(b"hello\r\n\r\n"), PROTOCOL),
    ("HTTP/0.9", once(ROWS), PROTOCOL),
    ("HTTP/3.7", once(whole(status=b"HTTP/3.7 200 OK")), LANDS),
    ("junk before the status line", once(b"\0\1\2junk\r\n", whole()), PROTOCOL),
    ("LF alone", once(whole().replace(b"\r\n", b"\n")), LANDS),
    ("CR alone", once(head(length(len(ROWS))).replace(b"\n", b"") + ROWS, 0.0), PROTOCOL),
    ("NUL in the head", once(whole(ROWS, b"X-Odd: a\0b")), PROTOCOL),
    ("a folded header", once(whole(ROWS, b"X-Odd: a\r\n b")), LANDS),
    ("a header without colon", once(whole(ROWS, b"X-Odd")), PROTOCOL),
    ("a header whose name has blanks", once(whole(ROWS, b"X Odd: a")), PROTOCOL),
    ("a header of 200 KB", once(whole(ROWS, b"X-Odd: " + b"a" * 200_000)), TOO_MUCH),
    ("10,000 headers", once(whole(ROWS, *[b"X-%d: a" % n for n in range(10_000)])), TOO_MUCH),
    ("a head without end", once(head()[:-2], Again(b"X-Odd: a\r\n")), TOO_MUCH),
    ("a line without end", once(Again(b"a" * 1000)), TOO_MUCH),
    ("two status lines", once(b"HTTP/1.1 200 OK\r\n", whole()), PROTOCOL),
    ("the body is closed in the head", once(b"HTTP/1.1 200 OK\r\nContent-Le"), PROTOCOL),
]

STATUSES = [
    ("0", status(b"0 Odd"), PROTOCOL),
    ("99", status(b"99 Odd"), PROTOCOL),
    ("five digits", status(b"20000 Odd"), PROTOCOL),
    ("100 for ever", once(Again(b"HTTP/1.1 100 Continue\r\n\r\n")), TOO_MUCH),
    ("103 for ever", once(Again(head(b"Link: </a>", status=b"HTTP/1.1 103 Early Hints"))), TOO_MUCH),
    ("103 for ever, slowly", once(Again(head(status=b"HTTP/1.1 103 Early Hints"), SLOW)), HEAD),
    ("103, and the week", once(head(status=b"HTTP/1.1 103 Early Hints"), whole()), LANDS),
    ("199, and the week", once(head(status=b"HTTP/1.1 199 Odd"), whole()), LANDS),
    ("101", once(whole(status=b"HTTP/1.1 101 Switching Protocols")), PROTOCOL),
    ("204", status(b"204 No Content"), "204"),
    ("205", status(b"205 Reset Content"), "205"),
    ("206 unasked", once(whole(ROWS, b"Content-Range: " + REST, status=PART)), "206"),
    ("300", status(b"300 Multiple Choices"), "300"),
    ("304 unasked", status(b"304 Not Modified"), "304"),
    ("401", status(b"401 Unauthorized"), "401"),
    ("403", status(b"403 Forbidden"), "403"),
    ("407", status(b"407 Proxy Authentication Required"), "407"),
    ("416", status(b"416 Range Not Satisfiable"), "416"),
    ("418", status(b"418 I'm a teapot"), "418"),
    ("451", status(b"451 Unavailable For Legal Reasons"), "451"),
    ("500", status(b"500 Internal Server Error"), "500"),
    ("500, and the week", say((whole(b"", status=b"HTTP/1.1 500 Odd"),), (whole(),)), LANDS),
    ("999", status(b"999 Odd"), "999"),
    ("429 for ever", status(b"429 Too Many Requests"), "429"),
    ("503, asked to wait 5,000 digits", status(b"503 Busy", b"Retry-After: " + DIGITS), "503"),
    ("429, asked to wait less than nothing", status(b"429 Busy", b"Retry-After: -5"), "429"),
    ("429, asked to wait until 9999", status(b"429 Busy", b"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"), "429"),
    ("429, asked to wait until a day that is none", status(b"429 Busy", b"Retry-After: Fri, 99 Dec 0 0:0:0"), "429"),
    ("429, asked to wait NaN", status(b"429 Busy", b"Retry-After: NaN"), "429"),
    ("a reason of terminal escapes", status(b"500 \x1b[31mOdd\x1b]0;x\x07"), "500"),
    ("a reason of 60 KB", status(b"403 " + b"Odd " * 15_000), "403"),
    ("a reason that is no UTF-8", status(b"403 \xff\xfe\xe9"), "403"),
    ("an error whose body never ends", once(head(b"Transfer-Encoding: chunked", status=b"HTTP/1.1 403 No"),
                                            Again(chunk(b" " * 65536))), "403"),
    ("an error whose body drips", once(head(length(9000), status=b"HTTP/1.1 403 No"), Drip(b" " * 9000, SLOW)), "403"),
    ("an error whose body is a bomb", once(head(GZIP, status=b"HTTP/1.1 403 No"), *bomb(b" " * 10**6, 1000)), "403"),
]  # fmt: skip

COOKIES = [
    ("that cannot be sent back", sets_cookie(b"a=\xff\xfe"), LANDS),
    ("for 400 digits of seconds", sets_cookie(b"a=b; max-age=" + DIGITS[:400]), LANDS),
    ("of 60 KB", sets_cookie(b"a=" + b"b" * 60_000), LANDS),
]

GONE = [("404", status(b"404 Not Found"), "not published.*404"), ("410", status(b"410 Gone"), "not published.*410")]

REDIRECTS = [
    ("to itself, for ever", away(b"?"), HOPS),
    ("6 hops", hops(6), HOPS),
    ("5 hops", hops(5), LANDS),
    ("of all kinds", say(*(redirect(b"/x", code=b"%d Odd" % n) for n in (301, 303, 307, 308)), (whole(),)), LANDS),
    ("to a file", away(b"file:///etc/passwd"), HOPS),
    ("to ftp", away(b"ftp://127.0.0.1/x"), HOPS),
    ("to data", away(b"data:text/csv,a"), HOPS),
    ("to javascript", away(b"javascript:alert(1)"), HOPS),
    ("to a port that is none", away(b"http://127.0.0.1:99999/x"), HOPS),
    ("to nothing", away(b""), HOPS),
    ("without a Location", status(b"302 Found"), "302 Found"),
    ("to a NUL", away(b"/a\0b"), PROTOCOL),
    ("to 60 KB", away(b"/" + b"a" * 60_000), HOPS),
    ("to 60 KB that are not there", say(redirect(b"/" + b"a" * 60_000), FORBIDDEN), "403"),
    ("to 60 KB, and the week", say(redirect(b"/" + b"a" * 60_000), (whole(),)), LANDS),
    ("to bytes that are no UTF-8", away(b"/\xff\xfe"), HOPS),
    ("to a bracket", away(b"http://[::1/x"), HOPS),
    ("to terminal escapes", away(b"/\x1b[31m"), HOPS),
    ("to two places", away(b"/x\r\nLocation: /y"), HOPS),
    ("to a relative address", on(b"y/../x"), LANDS),
    ("to the same scheme", on(b"//HOST/x"), LANDS),
    ("to the week, with a password", on(b"http://user:" + PASSWORD.encode() + b"@HOST/x"), LANDS),
    ("with a body of 3 GB", say(redirect(b"/x", (Again(b"a" * 100_000, times=30_000),), length(3 * 10**9)), (whole(),)),
     LANDS),
    ("with a bomb", say(redirect(b"/x", bomb(b"\0" * 1_000_000, 1000), GZIP), (whole(),)), LANDS),
    ("with a body that drips", say(redirect(b"/x", (Drip(b"a" * 9000, SLOW),), length(9000)), (whole(),)), LANDS),
]  # fmt: skip

NOBODY = [
    ("to nobody, with a password", away(b"http://user:" + PASSWORD.encode() + b"@127.0.0.1:9/x"), ""),
    ("to a host that is none", away(b"http://nowhere.invalid/x"), ""),
    ("to a host of 60 KB", away(b"http://" + b"a" * 60_000 + b"/x"), ""),
    ("to a host of many names", away(b"http://" + b"a." * 30_000 + b"/x"), ""),
]

DEAF = [("it says nothing", once(FOR_EVER), "no answer from")]

SHUT = [("it closes at once", once(), "no answer from"), ("it resets at once", once(Reset()), "no answer from")]

HEADS = [
    *(Behaviour("framing", *each) for each in FRAMING),
    Behaviour("framing", "an answer before the request", once(), LANDS, greeting=(whole(),)),
    *(Behaviour("status", *each) for each in STATUSES),
    *(Behaviour("cookie", *each) for each in COOKIES),
    *(Behaviour("status", *each, second=True) for each in GONE),
    *(Behaviour("redirect", *each) for each in REDIRECTS),
    *(Behaviour("redirect", *each, second=None, answers=False, named=False) for each in NOBODY),
    *(Behaviour("no answer", *each, second=True, answers=False) for each in DEAF),
    *(Behaviour("no answer", *each, second=None, answers=False) for each in SHUT),
]
