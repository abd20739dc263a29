"""What every test shares."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

settings.register_profile("wcsync", deadline=None)
settings.load_profile("wcsync")


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    """Each test begins with logs that go nowhere and no bound keys."""
    structlog.configure(processors=[structlog.testing.LogCapture()], cache_logger_on_first_use=False)
    structlog.contextvars.clear_contextvars()
    yield
    structlog.reset_defaults()
