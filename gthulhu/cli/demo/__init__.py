"""The whole path, shown on two real processes: `gthulhu demo`."""
