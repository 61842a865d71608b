"""What several commands are made of; a noun a file. START HERE: run.py."""
