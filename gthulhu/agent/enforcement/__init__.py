"""What carries decisions into the kernel: one small interface, and the enforcers behind it."""
