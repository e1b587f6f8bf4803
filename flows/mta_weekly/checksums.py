"""crc32c as Google Cloud Storage writes it: base64 of the big-endian sum. Knows nothing else."""

import base64
from pathlib import Path

import google_crc32c  # the C library that the storage client uses too

PIECE = 1 << 20  # bytes


class Crc32c:
    """A running sum."""

    def __init__(self) -> None:
        self._sum = google_crc32c.Checksum()

    def update(self, data: bytes) -> None:
        """Add bytes."""
        self._sum.update(data)

    def __str__(self) -> str:
        return base64.b64encode(self._sum.digest()).decode()


def crc32c_of(path: Path) -> str:
    """The sum of a file."""
    crc = Crc32c()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            crc.update(piece)
    return str(crc)
