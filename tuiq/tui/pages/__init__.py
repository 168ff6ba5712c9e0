"""The six screens and the message view."""
