"""`python -m wcsync` is the same as `wcsync`."""

from wcsync.cli import main

main()
