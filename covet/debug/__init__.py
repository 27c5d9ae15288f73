"""What a request did, for whoever develops it: a panel on pages, and the last requests at ``/__debug__/``."""
