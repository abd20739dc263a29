"""What is read on a schedule."""
