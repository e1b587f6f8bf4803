"""Data sets of a Socrata site, by SODA 2.1: https://dev.socrata.com/docs/queries. `slices` is the way in."""
