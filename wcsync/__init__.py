"""wcsync carries every paid WooCommerce order into the LMS, exactly once."""

__version__ = "0.1.0"
