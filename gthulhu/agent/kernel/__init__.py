"""The kernel's interfaces that discovery, enforcement and metrics all need: /proc and the cgroup hierarchy."""
