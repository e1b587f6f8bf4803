"""The command line: flags, console, progress, exit codes. Knows no Prefect: what it needs of it, it is handed."""
