"""Scheduler figures from BPF programs that are loaded by libbpf (CO-RE)."""
