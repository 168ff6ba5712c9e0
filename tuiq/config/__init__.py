"""The configuration: one frozen value, read from TOML and validated once.

Nothing else reads configuration files or environment variables.  The names below are
loaded when they are asked for: plain mail goes by ``glance`` alone.
"""

TYPE_CHECKING = False  # the module typing takes long to load
if TYPE_CHECKING:
    from tuiq.config.kinds import DAY, HOUR, MEBIBYTE, MINUTE, split_host_port
    from tuiq.config.loader import load
    from tuiq.config.settings import (
        BounceConfig,
        Config,
        DeliveryConfig,
        JournalConfig,
        MetricsConfig,
        RetryConfig,
        RunnerConfig,
        SpoolConfig,
        SubmissionConfig,
        host_name,
    )

__all__ = [
    "DAY",
    "HOUR",
    "MEBIBYTE",
    "MINUTE",
    "BounceConfig",
    "Config",
    "DeliveryConfig",
    "JournalConfig",
    "MetricsConfig",
    "RetryConfig",
    "RunnerConfig",
    "SpoolConfig",
    "SubmissionConfig",
    "host_name",
    "load",
    "split_host_port",
]

_KINDS = frozenset({"DAY", "HOUR", "MEBIBYTE", "MINUTE", "split_host_port"})


def __getattr__(name: str) -> object:
    """Load the module that holds *name* (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    home = "kinds" if name in _KINDS else "loader" if name == "load" else "settings"
    return getattr(importlib.import_module(f"tuiq.config.{home}"), name)
