"""What read.py is made of: a lake as fsspec has it, and frames. Loads pandas and gcsfs; knows no run and no Prefect."""
