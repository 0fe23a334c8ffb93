"""What manager, agent and command line share."""
