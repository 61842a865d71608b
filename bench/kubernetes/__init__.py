"""A real Kubernetes on one machine, and the experiments that run in it. Start at lifecycle.py."""
