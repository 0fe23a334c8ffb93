"""A whole system on one machine, as `gthulhu up` and `gthulhu demo` run it."""
