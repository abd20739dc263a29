"""The `woocommerce` package without its transport, which we replace: requests alone is 5 MB and a tenth of a start."""

import importlib
import sys
from types import ModuleType
from typing import Any, Never

_PACKAGE = ("woocommerce", "woocommerce.api", "woocommerce.oauth")
_TRANSPORT = ("requests", "requests.auth")


def load_api() -> Any:
    """The package's class `API`, of a copy that is ours alone: whoever imports the package gets it whole."""
    before = {name: sys.modules.pop(name) for name in (*_PACKAGE, *_TRANSPORT) if name in sys.modules}
    try:
        sys.modules.update(_no_transport())
        return importlib.import_module("woocommerce").API
    finally:
        for name in (*_PACKAGE, *_TRANSPORT):
            sys.modules.pop(name, None)
        sys.modules.update(before)


def _no_transport() -> dict[str, ModuleType]:
    """In place of requests: whatever the package imports of it, and none of it works."""
    requests, auth = (ModuleType(name) for name in _TRANSPORT)
    requests.request = _refuse  # type: ignore[attr-defined]
    auth.HTTPBasicAuth = _refuse  # type: ignore[attr-defined]
    return {"requests": requests, "requests.auth": auth}


def _refuse(*_args: object, **_words: object) -> Never:
    raise AssertionError("the package's own transport is not to be used")
