"""What bench/listener-close is made of; a noun a file. START HERE: result.py."""
