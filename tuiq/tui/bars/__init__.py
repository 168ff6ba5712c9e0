"""The lines around a page: title, tabs, filter, status, keys."""
