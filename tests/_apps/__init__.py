"""Small installable apps that tests share."""
