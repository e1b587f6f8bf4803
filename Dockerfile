# The flows and what they need, on Prefect's own image. Runs a deployment's runs, or the command itself:
#   docker run --rm -v "$PWD/data/lake:/lake" -e MTA_LAKE=/lake IMAGE python flows/etl_web_to_gcs.py --help
# The version in the tag is the one in requirements/docker.in; a test compares them.
ARG BASE=prefecthq/prefect:2.20.27-python3.11
FROM ${BASE}

LABEL org.opencontainers.image.title="mta-weekly-etl" \
      org.opencontainers.image.description="Lands weekly public data in a cloud data lake, right, every Saturday." \
      org.opencontainers.image.version="0.13.0" \
      org.opencontainers.image.licenses="MIT"

WORKDIR /opt/prefect
COPY docker-requirements.txt ./
# Left out again: descriptions of every API of Google's, tests and headers that ship with libraries, and of Arrow its
# server and its way to S3. Nothing here looks them up or loads them, and they are some 200 MB.
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r docker-requirements.txt \
 && cd "$(python -c 'import site; print(site.getsitepackages()[0])')" \
 && rm -rf googleapiclient/discovery_cache/documents pandas/tests \
           pyarrow/tests pyarrow/include pyarrow/*flight* pyarrow/*_s3* \
 && find numpy -type d -name tests -prune -exec rm -rf {} +

# An agent copies the code into the working folder before each run, so the user must be able to write there.
RUN useradd --system --create-home --uid 10001 mta && mkdir -p data/lake && chown mta . data data/lake
COPY --chown=mta flows/ flows/

# By the last two, what Prefect loads before any flow does not load pandas: see gcs_blocks.py.
ENV MTA_LAKE=gcs-bucket/blk-gcs-name \
    MTA_SPOOL=/opt/prefect/data/spool \
    PREFECT_HOME=/opt/prefect/data/prefect \
    PYTHONPATH=/opt/prefect/flows \
    PREFECT_EXTRA_ENTRYPOINTS=mta_weekly.orchestration.gcs_blocks
USER mta

# An image whose flow cannot be loaded is not built. (Without the False, Prefect would be content with a placeholder.)
RUN python -c "from prefect.flows import load_flow_from_entrypoint as load; \
               [load(f'flows/{flow}', use_placeholder_flow=False) for flow in ('etl_web_to_gcs.py:main_flow', \
                                                                               'backfill.py:backfill_flow', \
                                                                               'watch.py:freshness_flow')]"
