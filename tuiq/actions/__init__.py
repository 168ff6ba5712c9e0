"""What operators do: filters, selections, verbs and the account kept of them."""
