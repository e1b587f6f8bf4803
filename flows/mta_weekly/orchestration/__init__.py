"""All that is asked of Prefect outside the flows themselves: its API, its blocks as lakes, runs of a deployment."""
