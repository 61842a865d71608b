"""What bench/proxy is made of, upon lib/throughput; a noun a file. START HERE: proxies.py."""
