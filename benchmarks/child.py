"""Runs one subject in a process of its own: `python -m benchmarks.child MODULE:FUNCTION ARGUMENTS`.

Prints the sample as JSON. The module is imported only here, so that a subject pays for its own imports alone.
"""

import json
import sys
from collections.abc import Mapping
from importlib import import_module

from benchmarks.meter import Sample


def call(subject: str, arguments: Mapping[str, object]) -> Sample:
    """Runs a subject here and now."""
    module, _, function = subject.partition(":")
    sample: Sample = getattr(import_module(f"benchmarks.{module}"), function)(**arguments)
    return sample


def main() -> None:
    print(json.dumps(call(sys.argv[1], json.loads(sys.argv[2]))))


if __name__ == "__main__":
    main()
