"""What looks after a lake: how it stands, and what can go. Knows lakes and facts; no source and no Prefect."""
