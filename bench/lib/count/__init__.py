"""What bench/count is made of; a noun a file. START HERE: run.py."""
