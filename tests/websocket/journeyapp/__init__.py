"""The journeys' room and a GraphQL mutation, in a site with real users."""
