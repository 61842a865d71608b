"""What bench/cluster is made of; a noun a file. START HERE: experiment.py, then lifecycle.py."""
