"""The job as it is most often written, to measure against: pandas chunks, a Prefect task for each, appended to a gzip.

    python benchmarks/reference.py http://web.mta.info/developers/data/nyct/turnstile/turnstile_240106.txt LAKE_FOLDER

Only the lake is a folder here, so that the run needs no bucket. Nothing is slowed down or tuned on purpose.
"""

import argparse
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from prefect import flow, task

CHUNK_ROWS = 5000


def clean(chunk: pd.DataFrame) -> pd.DataFrame:
    """Strips names and values; the counters have become numbers on reading."""
    chunk.columns = chunk.columns.str.strip().str.replace(" ", "").str.replace("C/A", "CA")
    for column in chunk.columns[chunk.dtypes == "str"]:
        chunk[column] = chunk[column].str.strip()
    return chunk


@task
def write_local(chunk: pd.DataFrame, path: Path, header: bool) -> None:
    """Appends a chunk, with its running row numbers as first column."""
    chunk.to_csv(path, mode="a", header=header, compression="gzip")


@task
def write_lake(path: Path, lake: Path) -> Path:
    """Copies the finished file into the lake."""
    target = lake / "turnstile" / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
    return target


@flow
def reference(url: str, lake: Path) -> Path:
    """Loads one week, `.../turnstile_yyMMdd.txt`, into `LAKE/turnstile/yyMMdd.csv.gz`."""
    week = url.removesuffix(".txt")[-6:]
    with TemporaryDirectory() as work:
        path = Path(work) / f"{week}.csv.gz"
        # Line names are text, and some are digits alone.
        for chunk in pd.read_csv(url, iterator=True, chunksize=CHUNK_ROWS, dtype={"LINENAME": str}):
            write_local(clean(chunk), path, header=not path.exists())
        return write_lake(path, lake)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Load a weekly turnstile file in the plain way.")
    parser.add_argument("url", help="ends in turnstile_yyMMdd.txt")
    parser.add_argument("lake", type=Path, help="a folder")
    arguments = parser.parse_args()
    reference(arguments.url, arguments.lake)
