"""What StampsPart finds here."""

stamps = ["first", "second"]
