"""What can be found wrong with the machine, a config and its data before the first step."""
