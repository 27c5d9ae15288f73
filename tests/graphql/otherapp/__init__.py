"""A second app: its fields stand beside the blog's."""
