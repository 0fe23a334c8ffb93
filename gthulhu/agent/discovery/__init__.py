"""Which pods and processes are on the node, from cgroups and /proc."""
