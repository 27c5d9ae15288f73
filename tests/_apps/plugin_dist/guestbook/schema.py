"""The guestbook in GraphQL."""

from covet import graphql

from .models import Entry


@graphql.type(Entry, fields=["id", "name", "text"])
class GuestbookEntryType: ...


class Query:
    guestbook_entries: graphql.Connection[GuestbookEntryType] = graphql.connection()
