"""A week's bytes from its source, as one stream: a module a kind of source. Knows no lake, nor what rows say."""
