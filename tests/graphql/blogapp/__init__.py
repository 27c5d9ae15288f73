"""A blog whose GraphQL schema uses everything that the room offers."""
