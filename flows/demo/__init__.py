"""What the demo crawls: the documentation of the running Python, and a small site whose faults are planted and known."""
