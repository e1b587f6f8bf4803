"""What is published, as data: the feeds, their sources, and which Saturdays. Knows no transport, lake or clock."""
