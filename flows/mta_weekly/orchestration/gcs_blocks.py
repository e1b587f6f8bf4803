"""prefect_gcp's block of a bucket, loaded without pandas.

prefect_gcp loads pandas, where there is one, for the type of an argument of a method that nobody calls here: half a
second and 40 MiB of every run, for Prefect loads prefect_gcp with its own API. So it is loaded here, before Prefect
does, while there seems to be no pandas. Of a run that an agent or a worker starts, Prefect would do so before its flow;
there PREFECT_EXTRA_ENTRYPOINTS, as the image has it, has this module loaded first. Knows nothing else.
"""

import sys

HIDDEN = "pandas"

if HIDDEN in sys.modules:
    from prefect_gcp.cloud_storage import GcsBucket
else:
    sys.modules[HIDDEN] = None  # type: ignore[assignment] # so that an import says that there is none
    try:
        from prefect_gcp.cloud_storage import GcsBucket
    finally:
        del sys.modules[HIDDEN]

__all__ = ["GcsBucket"]
