"""What the benchmarks of lastcall are made of; a noun a file. START HERE: rolling.py."""
