"""Is it a week of its feed? From a stream of bytes to one checked gzip file. Knows no transport and no lake."""
