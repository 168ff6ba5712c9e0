"""How it looks: roles, themes, safe text, plots."""
