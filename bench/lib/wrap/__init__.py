"""What bench/wrap is made of, upon lib/rollout; a noun a file. START HERE: run.py."""
