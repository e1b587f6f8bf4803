"""Objects and where they land: what any lake must do, and a module a kind of lake. Knows no feed and no source."""
