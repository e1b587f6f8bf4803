"""Faults at a step of a publishing: a system call in a folder, a request to a bucket, the end of the process there."""

from __future__ import annotations

import errno
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from conftest import FILE, KEY, WEEK
from forked import Forked
from gcs import Fault, Gcs
from mta_weekly.content.convert import rejected_path
from mta_weekly.errors import EtlError
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.client import open_client
from mta_weekly.lake.objects import Lake
from mta_weekly.lake_week import LakeWeek
from mta_weekly.load import Load, LocalWeek
from mta_weekly.loads import prepare_loads
from mta_weekly.options import Options
from mta_weekly.outcomes import Outcome
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import Settings
from standing import BucketPlace, FolderPlace, Place, Version
from web import Answer, Web

TODAY = date(2026, 11, 21)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CALLS = ("open", "write", "fsync", "replace", "unlink", "mkdir", "chmod", "fchmod")
EVER = 10**6  # times
NUMBERS = {"no access": errno.EACCES, "no space": errno.ENOSPC, "disk fault": errno.EIO}
NEVER = {"no access": ("write", "fsync"), "no space": ("unlink", "chmod", "fchmod")}  # says the system so
REQUEST_FAULTS = {
    "403": Fault(status=403),
    "507 once": Fault(status=507),
    "503 for ever": Fault(status=503, times=EVER),
    "a page": Fault(body=b"<!DOCTYPE html><title>Sign in</title>", headers={"Content-Type": "text/html"}),
    "an answer cut": Fault(cut=True),
}


@dataclass(frozen=True)
class Source:
    """Where runs have their week from."""

    web: Web
    client: Any
    settings: Settings
    folder: Path
    made: dict[Version, tuple[LocalWeek, list[bytes]]] = field(default_factory=dict)

    def make(self, load: Load, version: Version) -> LocalWeek:
        """The week in the work folder of a run; one that was made before is only put there."""
        if version not in self.made:
            self.web.serve(FILE, Answer(version.published))
            local = load.make(self.client, lambda chunks, _, __: chunks)
            assert isinstance(local, LocalWeek)
            self.made[version] = local, [path.read_bytes() for path in list_files(local, version)]
        local, files = self.made[version]
        compared = load.target.find_existing_facts() if load.options.refresh else None
        local = replace(local, path=load.target.folder / local.path.name, compared=compared)
        for path, content in zip(list_files(local, version), files, strict=True):
            path.write_bytes(content)
        return local


def list_files(local: LocalWeek, version: Version) -> list[Path]:
    """The object in a work folder, and the rows left out of it."""
    return [local.path, *([rejected_path(local.path)] if version.bad else [])]


@pytest.fixture
def source(web: Web, tmp_path: Path) -> Iterator[Source]:
    settings = Settings(turnstile_url=web.url, retry_attempts=3, retry_base=0.001, retry_wait=2.0)
    with open_client(settings) as client:
        yield Source(web, client, settings, tmp_path)


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, gcs: Gcs, tmp_path: Path) -> Place:
    return BucketPlace(gcs) if request.param == "bucket" else FolderPlace(tmp_path)


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(f"{request.config.getoption('hypothesis_seed')} {request.node.name}")


@dataclass(frozen=True)
class Begun:
    """A run that has its week in its work folder, or found it in the lake, and has published nothing yet."""

    load: Load
    local: Any

    def finish(self, lake: Lake | None = None) -> Outcome:
        """The rest of it; through another client, where a fork needs one of its own."""
        load = replace(self.load, target=replace(self.load.target, lake=lake)) if lake else self.load
        return load.publish(self.local) if self.local else load.keep()


def begin(source: Source, lake: Lake, version: Version, way: str, run_id: str, allow_bad_rows: int = 5) -> Begun:
    """A run of one way, "plain", "force", "refresh" or "accept", as the flow makes it."""
    folder = source.folder / run_id
    folder.mkdir(exist_ok=True)
    options = Options(source.settings, TODAY, "", run_id, way == "force", way == "refresh", allow_bad_rows)
    if way == "accept":
        accepting = replace(options, accept="so it was")
        (load,) = prepare_loads({Week.named(WEEK): TURNSTILE}, lake, folder, accepting)
        return Begun(load, None if load.keeps else load.make(source.client, lambda chunks, _, __: chunks))
    budget = RetryBudget.of(source.settings, WEEK)
    existing = lake.find([KEY], budget).get(KEY)
    load = Load(LakeWeek(Week.named(WEEK), TURNSTILE, lake, existing, folder, budget, run_id), options)
    if load.keeps:
        return Begun(load, None)
    return Begun(load, source.make(load, version))


def load_alone(
    source: Source, place: Place, version: Version, way: str, run_id: str, allow_bad_rows: int = 5
) -> Forked:
    """A whole run in a process of its own, as a command is; it waits at its start, and before it publishes."""

    def run(pause: Callable[[], object]) -> str:
        pause()
        with open_client(source.settings) as client:
            begun = begin(replace(source, client=client), place.open(), version, way, run_id, allow_bad_rows)
            pause()
            return str(begun.finish())

    source.web.serve(FILE, Answer(version.published))
    return Forked(run)


def end(run: Callable[[], Outcome]) -> str:
    """The state of the week after a run; "refused" where it ended by a fault we expect."""
    try:
        return run().state
    except EtlError as error:
        assert str(error)
        return "refused"


@contextmanager
def calls_in(folder: Path, at: int = -1, fault: Callable[[], None] = lambda: None) -> Iterator[list[str]]:
    """The calls by which this process writes in a folder, in their order; one may go wrong, a write after its half."""
    made: list[str] = []
    real: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in CALLS}

    def watched(name: str) -> Callable[..., Any]:
        def call(target: Any, *rest: Any, **named: Any) -> Any:
            path = Path(f"/proc/self/fd/{target}").readlink() if isinstance(target, int) else Path(target)
            reads = name == "open" and not (rest[0] if rest else named["flags"]) & WRITING
            if folder not in (path, *path.parents) or reads:
                return real[name](target, *rest, **named)
            made.append(f"{name} {Path(rest[0] if name == 'replace' else path).relative_to(folder)}")
            if len(made) - 1 == at:
                if name == "write":
                    real[name](target, rest[0][: len(rest[0]) // 2])
                fault()
            return real[name](target, *rest, **named)

        return call

    for name in CALLS:
        setattr(os, name, watched(name))
    try:
        yield made
    finally:
        for name, call in real.items():
            setattr(os, name, call)


def refuse_with(number: int) -> Callable[[], None]:
    """What the system says."""

    def fault() -> None:
        raise OSError(number, os.strerror(number))

    return fault


def kill_self() -> None:
    """kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


class FolderFaults:
    """What may befall the calls of a run that writes in a folder."""

    NAMES: Sequence[str] = ("no access", "no space", "disk fault", "killed")

    def befalls(self, fault: str, point: str) -> bool:
        """Whether a call may end so."""
        return point.partition(" ")[0] not in NEVER.get(fault, ())

    def list_points(self, place: Place, run: Begun) -> tuple[list[str], str]:
        """The calls of a run to which nothing happens, in their order, and how it ends."""
        assert isinstance(place, FolderPlace)
        with calls_in(place.folder) as made:
            return made, run.finish().state

    def meet(self, place: Place, run: Begun, at: int, fault: str) -> str:
        """How a run ends that meets a fault at a point."""
        assert isinstance(place, FolderPlace)
        if fault == "killed":

            def killed(_: object) -> str:
                with calls_in(place.folder, at, kill_self):
                    return end(run.finish)

            assert Forked(killed).wait() == (-signal.SIGKILL, "")
            return "killed"
        with calls_in(place.folder, at, refuse_with(NUMBERS[fault])):
            return end(run.finish)


class BucketFaults:
    """What may befall the requests of a run that writes in a bucket."""

    NAMES: Sequence[str] = ("403", "507 once", "503 for ever", "a page", "an answer cut", "killed", "killed after")

    def befalls(self, fault: str, point: str) -> bool:
        """Any request may end so."""
        return True

    def list_points(self, place: Place, run: Begun) -> tuple[list[str], str]:
        """The requests of a run to which nothing happens, in their order, and how it ends."""
        assert isinstance(place, BucketPlace)
        place.gcs.requests.clear()
        state = run.finish().state
        return [f"{seen.method} {httpx.URL(seen.path).path}" for seen in place.gcs.requests], state

    def meet(self, place: Place, run: Begun, at: int, fault: str) -> str:
        """How a run ends that meets a fault at a point."""
        assert isinstance(place, BucketPlace)
        before = [Fault(times=at)] if at else []
        if fault not in REQUEST_FAULTS:
            self._kill(place, run, before, 503 if fault == "killed" else None)
            return "killed"
        place.gcs.faults = [*before, REQUEST_FAULTS[fault]]
        try:
            return end(run.finish)
        finally:
            place.gcs.faults.clear()

    def _kill(self, place: BucketPlace, run: Begun, before: list[Fault], status: int | None) -> None:
        """At a request, which is done afterwards unless it has a status."""
        handlers: list[threading.Thread] = []

        def kill(_: Gcs) -> None:
            handlers.append(threading.current_thread())
            os.kill(child.pid, signal.SIGKILL)

        def finish(pause: Callable[[], object]) -> str:
            pause()
            return run.finish(place.open()).state

        place.gcs.faults = [*before, Fault(status, before=kill)]
        child = Forked(finish)
        child.go()
        assert child.wait() == (-signal.SIGKILL, "")
        for handler in handlers:
            handler.join()
