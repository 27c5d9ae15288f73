"""An app with pages about who is logged in, for the tests of users and sessions."""
