"""All input and output: one folder per port, its Protocol in `__init__`, one file per adapter."""
