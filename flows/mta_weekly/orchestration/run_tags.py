"""The tags of flow runs: what alerts go by, and what finds the parts of a backfill."""

ALERT_TAG = "mta"  # of the weekly deployment's runs: somebody is told when one is late, fails or crashes
FRESHNESS_TAG = "mta-freshness"  # of the watch's: the same but for lateness
PART_TAG = "mta-backfill"  # of a backfill's parts, of which nobody is told: the backfill says what became of them
