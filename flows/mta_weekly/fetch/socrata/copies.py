"""The pieces of a week that have come, in work files: where one must be read again, the others need not be."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Self

from mta_weekly.errors import SpoolFailed
from mta_weekly.spool import cannot_write

BLOCK = 1 << 18  # bytes read at once


class Copies:
    """Pieces by number, each in a file without a name, of which nothing is left when the last one has ended."""

    def __init__(self, folder: Path, files: ExitStack) -> None:
        self.folder, self.files = folder, files
        self._begun: dict[int, IO[bytes]] = {}
        self._whole: set[int] = set()

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Self]:
        """None yet; they are gone at the end."""
        with ExitStack() as files:
            yield cls(folder, files)

    def __contains__(self, number: int) -> bool:
        return number in self._whole

    def keep(self, number: int, chunks: Iterable[bytes]) -> Generator[bytes, None, None]:
        """The chunks of a piece as they go by; it is there when all have.

        Raises:
            SpoolFailed: the folder cannot be written.
        """
        try:
            if number not in self._begun:
                self._begun[number] = self.files.enter_context(TemporaryFile(dir=self.folder))  # noqa: SIM115
            file = self._begun[number]
            file.seek(0)
            file.truncate()
            for chunk in chunks:
                file.write(chunk)
                yield chunk
        except OSError as error:
            raise SpoolFailed(cannot_write(self.folder, error)) from error
        self._whole.add(number)

    def read(self, number: int) -> Iterator[bytes]:
        """The chunks of a piece that is there."""
        file = self._begun[number]
        file.seek(0)
        while chunk := file.read(BLOCK):
            yield chunk

    def drop(self, numbers: Iterable[int]) -> None:
        """Forget pieces."""
        self._whole.difference_update(numbers)
