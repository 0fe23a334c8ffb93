"""Gthulhu: the control plane that connects Kubernetes with the Linux CPU scheduler."""
