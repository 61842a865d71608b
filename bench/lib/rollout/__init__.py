"""What bench/rollout is made of; a noun a file. START HERE: run.py."""
