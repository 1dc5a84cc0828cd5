"""A company's platform on Kubernetes, generated from a seed."""
