"""Our own sched_ext scheduler: its BPF program, its life cycle, and the enforcer on top of it."""
