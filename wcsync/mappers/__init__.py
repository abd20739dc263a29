"""Pure rules: what a file, an order or a course means."""
