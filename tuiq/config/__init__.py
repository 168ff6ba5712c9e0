"""The configuration: one frozen value, read from TOML and validated once.

Nothing else reads configuration files or environment variables.
"""

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
