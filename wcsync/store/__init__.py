"""The shop's side: the Protocol the rest of wcsync knows, and WooCommerce behind it."""
