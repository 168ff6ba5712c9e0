"""Every message of the spool in memory, compactly: read, kept up to date, ordered."""
