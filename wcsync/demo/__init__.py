"""`wcsync demo`: a sandbox shop and two sandbox LMSs on loopback, the real engine between them, and an honest count."""

from wcsync.demo.play import run

__all__ = ["run"]
