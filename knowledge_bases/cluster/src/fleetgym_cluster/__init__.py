"""A simulated Kubernetes cluster: its state follows from manifests by a small reconciler."""
