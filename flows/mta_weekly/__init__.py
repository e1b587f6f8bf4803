"""Land weekly public data in a lake: all of it but the entry points beside this folder, which tell the story of a run.

Arrows run one way, from the top of this list to its end (pyproject.toml has them as contracts, `make lint` holds them):

    command, orchestration    what a person types and sees; what Prefect is asked. Neither knows the other.
    load, backfill_parts      one week, from its source to its verified object; a range cut into parts
    outcomes                  what became of each week, in words
    content, fetch, lake      is it a week of its feed; its bytes from a source; objects. None knows another.
    retry, spool, checksums, csv_rows    tools of the wings
    feeds                     what is published, as data
    settings, errors          the edge, and the faults we expect
"""
