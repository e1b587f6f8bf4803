"""Sources whose bodies are hostile, and what must become of a week that is loaded from them."""

import zlib

from raw_answers import (
    ALL,
    BAD,
    BYTES,
    CHUNKED,
    CHUNKED_GZIP,
    DIGITS,
    END,
    GZIP,
    HALF,
    HEAD,
    LANDS,
    LINE,
    MOST_ROWS,
    PROMISED,
    PROTOCOL,
    READ,
    REST,
    RESUMABLE,
    ROWS,
    SLOW,
    WIDE,
    Behaviour,
    always,
    bomb,
    chunk,
    head,
    length,
    on_and_on,
    once,
    pack,
    part,
    resumed,
    whole,
)
from raw_source import FOR_EVER, Again, Drip, Reset

LENGTHS = [
    ("too long", once(head(length(len(ROWS) + 100)), ROWS), "broke off"),
    ("negative", once(head(b"Content-Length: -5"), ROWS), PROTOCOL),
    ("two that differ", once(head(length(len(ROWS)), length(7)), ROWS), PROTOCOL),
    ("two that are the same", once(whole(ROWS, length(len(ROWS)))), LANDS),
    ("of 5,000 digits", once(head(b"Content-Length: " + DIGITS), ROWS), PROTOCOL),
    ("with a sign", once(head(b"Content-Length: +%d" % len(ROWS)), ROWS), PROTOCOL),
    ("in words", once(head(b"Content-Length: many"), ROWS), PROTOCOL),
    ("beside chunks", once(head(b"Transfer-Encoding: chunked", length(5)), chunk(), END), "ended at"),
    ("none", once(head(), ROWS), "how long"),
]  # fmt: skip

CHUNKS = [
    ("right", once(CHUNKED, chunk(ROWS[:HALF]), chunk(ROWS[HALF:]), END), LANDS),
    ("a size that is none", once(CHUNKED, b"zz\r\n", ROWS), "broke off"),
    ("a negative size", once(CHUNKED, b"-5\r\n", ROWS), "broke off"),
    ("a size of 2^64", once(CHUNKED, b"%x\r\n" % 2**64, ROWS), "broke off"),
    ("a size without end", once(CHUNKED, Again(b"0" * 1000)), "broke off"),
    ("an extension", once(CHUNKED, chunk(extension=b";a=b"), END), LANDS),
    ("an extension without end", once(CHUNKED, b"5;", Again(b"a" * 1000)), "broke off"),
    ("the last one lacks", once(CHUNKED, chunk()), "broke off"),
    ("a trailer", once(CHUNKED, chunk(), b"0\r\nX-Odd: a\r\n\r\n"), LANDS),
    ("a trailer without end", once(CHUNKED, chunk(), b"0\r\n", Again(b"X-Odd: a\r\n" * 100)), "broke off"),
    ("a huge trailer", once(CHUNKED, chunk(), b"0\r\nX-Odd: ", b"a" * 2_000_000), "broke off"),
    ("gzip over chunks", once(head(b"Transfer-Encoding: gzip, chunked"), chunk(pack(ROWS)), END),
     PROTOCOL),
]  # fmt: skip

ENCODINGS = [
    ("gzip", once(whole(pack(ROWS), GZIP)), LANDS),
    ("gzip that is none", once(whole(ROWS, GZIP)), "no gzip"),
    ("gzip that is cut", once(whole(pack(ROWS)[:-9], GZIP)), "gzip"),
    ("gzip of two members", once(whole(pack(ROWS[:HALF]) + pack(ROWS[HALF:]), GZIP)), LANDS),
    ("gzip and much after it", once(whole(pack(ROWS) + b"\0" * 100_000, GZIP)), "gzip"),
    ("gzip of nothing, for ever", once(CHUNKED_GZIP, Again(chunk(pack(b"")))),
     ALL),
    ("br", once(whole(ROWS, b"Content-Encoding: br")), "'br'"),
    ("deflate", once(whole(zlib.compress(ROWS), b"Content-Encoding: deflate")), "'deflate'"),
    ("gzip twice", once(whole(pack(pack(ROWS)), b"Content-Encoding: gzip, gzip")), "gzip, gzip"),
    ("one of 50 KB", once(whole(ROWS, b"Content-Encoding: " + b"x\x1b[" * 20_000)), "which it was not asked for"),
    ("identity", once(whole(ROWS, b"Content-Encoding: identity")), LANDS),
]  # fmt: skip

DRIPS = [
    ("the status line", once(Drip(b"HTTP/1.1 200 " + b"O" * 900, SLOW)), HEAD),
    ("the head", once(b"HTTP/1.1 200 OK\r\n", Drip(b"X-Odd: " + b"a" * 900, SLOW)), HEAD),
    ("blank lines before it", once(Again(b"\r\n", SLOW)), PROTOCOL),
    ("a hint", once(Drip(b"HTTP/1.1 103 " + b"O" * 900, SLOW)), HEAD),
    ("the size of a chunk", once(CHUNKED, Drip(b"0" * 900, SLOW)), READ),
    ("an extension", once(CHUNKED, b"5;", Drip(b"a" * 900, SLOW)), READ),
    ("a trailer", once(CHUNKED, chunk(), b"0\r\n", Drip(b"X: " + b"a" * 900, SLOW)), READ),
    ("the body", once(PROMISED, Drip(ROWS, SLOW)), "too slow"),
    ("empty chunks of a gzip", once(CHUNKED_GZIP, Again(chunk(pack(b"")), SLOW)),
     "too slow"),
    ("rows at 1.5 kB a second", once(CHUNKED, chunk(ROWS[:HALF]), Again(chunk(LINE * 3), SLOW)), ALL),
]  # fmt: skip

SILENCE = [
    ("in the head", once(b"HTTP/1.1 200 OK\r\n", FOR_EVER), HEAD),
    ("after the head", once(PROMISED, FOR_EVER), READ),
    ("in the body", once(PROMISED, ROWS[:HALF], FOR_EVER), READ),
    ("in a resumed body", always((part(REST)[0][: -len(ROWS[HALF:])], FOR_EVER)), READ),
    ("before the last chunk", once(CHUNKED, chunk(), FOR_EVER), READ),
    ("a reset after the head", once(PROMISED, 0.1, Reset()), "broke off"),
    ("a reset in the body", once(PROMISED, ROWS[:HALF], 0.1, Reset()), "broke off"),
]  # fmt: skip

CONTENT = [
    ("nothing", once(whole(b"")), "empty"),
    ("cut by its length", once(head(length(len(ROWS) - 100)), ROWS), "is cut"),
    ("a page", once(whole(b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n")), "HTML page"),
    ("blank lines for ever", once(CHUNKED, Again(chunk(b"\n" * 65536))), "header"),
    ("rows, and blank lines for ever", once(CHUNKED, chunk(ROWS), Again(chunk(b"\n" * 65536))), MOST_ROWS),
    ("rows for ever", once(CHUNKED, chunk(ROWS), Again(chunk(LINE * 1000))), MOST_ROWS),
    ("wide rows for ever", once(CHUNKED, chunk(ROWS), Again(chunk(WIDE))), BYTES),
    ("bad rows for ever", once(CHUNKED, chunk(ROWS), Again(chunk(BAD * 1000))), "bad row"),
    ("one line for ever", once(CHUNKED, chunk(ROWS), Again(chunk(b"a" * 65536))), "row of more than"),
    ("a header for ever", once(CHUNKED, Again(chunk(b"a," * 32768))), "row of more than"),
    ("a bomb of blank lines", once(head(GZIP), *bomb(ROWS, 1), *bomb(b"\n" * 1_000_000, 1000)[1:]), MOST_ROWS),
    ("a bomb of NULs", once(head(GZIP), *bomb(b"\0" * 1_000_000, 1000)), "row of more than"),
    ("a bomb of rows", once(head(GZIP), *bomb(ROWS, 1), *bomb(LINE * 10_000, 1000)[1:]), MOST_ROWS),
    (
        "a row of 100 MB",
        once(head(length(len(ROWS) + 10**8)), ROWS, Again(b"a" * 10**6, times=100)),
        "row of more than",
    ),
    ("rows, and a page", once(whole(ROWS + b"<html><body>Error</body></html>\n")), "HTML page"),
    ("NULs", once(whole(b"\0" * 10_000)), "header"),
    ("a byte order mark", once(whole(b"\xef\xbb\xbf" + ROWS)), LANDS),
    ("CR for LF", once(whole(ROWS.replace(b"\n", b"\r"))), "header"),
    ("UTF-16", once(whole(ROWS.decode().encode("utf-16"))), "header"),
]

RESUMED = [
    ("right", resumed(part(REST)), LANDS),
    ("another length", resumed(part(b"bytes %d-%d/%d" % (HALF, len(ROWS), len(ROWS) + 1)), (whole(),)), LANDS),
    ("a range of 5,000 digits", resumed(part(b"bytes " + DIGITS + b"-" + DIGITS + b"/" + DIGITS), (whole(),)), LANDS),
    ("a total of 5,000 digits", resumed(
        part(b"bytes %d-%d/" % (HALF, len(ROWS) - 1) + DIGITS), (whole(),),
        first=head(b"Transfer-Encoding: chunked", RESUMABLE) + b"%x\r\n" % len(ROWS) + ROWS[:HALF]),
     LANDS),
    ("a wrong start", resumed(part(b"bytes 0-%d/%d" % (len(ROWS) - 1, len(ROWS)), ROWS), (whole(),)), LANDS),
    ("another version", resumed(part(REST, etag=b'"2"'), (whole(),)), LANDS),
    ("bytes */*", resumed(part(b"bytes */*"), (whole(),)), LANDS),
    ("a little more each time", on_and_on, LANDS),
    ("a half, and then nothing, for ever", always(part(REST, b"")), "ended at"),
    ("a wrong start for ever", always(part(b"bytes 5-%d/%d" % (len(ROWS) - 1, len(ROWS)))), "broke off"),
    ("a range of escapes for ever", always(part(b"bytes \x1b[31m" + b"x" * 5000)), "broke off"),
]  # fmt: skip

BODIES = [
    *(Behaviour("length", *each) for each in LENGTHS),
    *(Behaviour("chunks", *each) for each in CHUNKS),
    *(Behaviour("encoding", *each) for each in ENCODINGS),
    *(Behaviour("drip", *each) for each in DRIPS),
    *(Behaviour("silence", *each) for each in SILENCE),
    *(Behaviour("content", *each, named=False) for each in CONTENT),
    *(Behaviour("resumed", *each) for each in RESUMED),
]
