"""What bench/throughput is made of; a noun a file. START HERE: course.py."""
