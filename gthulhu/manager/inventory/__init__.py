"""Where pods and nodes come from: Kubernetes, or a file where there is no cluster."""
