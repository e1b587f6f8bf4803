"""Words that a person, a shell or a broken tool may type, and command lines made of them by chance."""

import argparse
import random
from typing import Any

ODD = [
    "", " ", "-", "--", "---", "-1", "0", "00", "1e9", "1e999", "-0.0", "nan", "inf", "9" * 5000, "-" + "9" * 5000,
    "٣", "²", "1_000", "+5", " 7", "7 ", "0x10", "true", "null", "[]", "{}", "None", "\0", "a\nb", "a\r\nb",
    "\x1b[31mred", "\udcff", "zo\udcc3\udcab", "zoë", "\u202e", "\ufeff", "\u2028", "\U0001d7d9", "a" * 10_000, "%",
    "%s", "%(prog)s", "{0}", "$HOME", "~", "~nobody-of-this-name", "~\0", "..", ".", "../..", "a/b", "a//b", "a\\b",
    "'", '"', "`id`", ";", "@file", "=", "a=b", "KEY=VALUE", "=--", "gcs-bucket", "gcs-bucket/", "gcs-bucket/ok",
    "gcs-bucket/a#b", "gcs-bucket/%62", "gcs-bucket/..", "gcs-bucket/a/b", "gcs-bucket/a\nb", " gcs-bucket/a",
    "gcs-bucket/ a", "GCS-Bucket/a", "gs://lake", "file:///tmp", "2024-01-06", "2024-02-30", "20240106",
    "2024-W01-6", "2024-01-06T00:00", "0001-01-01", "9999-12-31", "2099-01-03", "6/1/2024",
    "http://me:hidden@host/", "https://[::1", "https://host:99999999/", "a b", "* * * * *", "0 0 30 2 *",
    "99 * * * *", "@daily", "America/New_York", "America", "Mars/Base", "../../etc/passwd", "/dev/null", "/",
    "lake", "/lake",
]  # fmt: skip
LETTERS = "ab9-_./:=#%~ \t\n\0\x7f\u00a0éß\u0130\udc80\U0001f600'\"\\*?[]{}()<>|&;$!,+^"


def draw_word(draw: random.Random) -> str:
    """Any word, of a list or of letters."""
    if draw.random() < 0.7:
        return draw.choice(ODD)
    return "".join(draw.choices(LETTERS, k=draw.randrange(1, 12)))


def draw_flags(parser: argparse.ArgumentParser, right: dict[str, list[str]], draw: random.Random) -> list[str]:
    """Flags of a parser in any order, those that it needs more often than not: most values right, some odd.

    Args:
        right: values that will do, by flag.
    """
    words = list[str]()
    actions: list[Any] = [
        each for each in parser._actions if each.option_strings and each.dest not in ("help", "version")
    ]
    for action in draw.sample(actions, len(actions)):
        if draw.random() > (0.95 if action.required else 0.3):
            continue
        flag = draw.choice(action.option_strings)
        if draw.random() < 0.05:
            flag = flag[: draw.randrange(2, len(flag))]
        if action.nargs == 0:
            words += [flag if draw.random() < 0.95 else f"{flag}={draw_word(draw)}"]
            continue
        values = right.get(flag) or [*map(str, action.choices or ["1", "7", "2024", "lake"])]
        value = draw.choice(values) if draw.random() < 0.8 else draw_word(draw)
        words += draw.choice([[f"{flag}={value}"], [flag, value]])
    if draw.random() < 0.1:
        words.insert(draw.randrange(len(words) + 1), draw_word(draw))
    return words
