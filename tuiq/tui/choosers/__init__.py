"""Dialogs in which people choose: themes, columns, the order of rows, saved filters."""
