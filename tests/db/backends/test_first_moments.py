"""What generated code reads moments by is settled before the first statement has its code, and so before any connection."""

import subprocess
import sys

import pytest

from covet import accel

CODE = """
from covet import accel
from {module} import {dialect}
from covet.db.sql.dialect import INLINE
from covet.db.sql.nodes import ColumnType

convert = {dialect}().converter(ColumnType("datetime"))
print(INLINE[convert].names.get("{name}") is accel.{reader})
"""


@pytest.mark.parametrize(
    ("module", "dialect", "name", "reader"),
    [
        ("covet.db.backends.sqlite.dialect", "SQLiteDialect", "moment", "read_moment"),
        ("covet.db.backends.mysql.dialect", "MySQLDialect", "in_utc", "in_utc"),
    ],
)
def test_code_made_before_the_first_connection_reads_moments_natively(
    module: str, dialect: str, name: str, reader: str
) -> None:
    code = CODE.format(module=module, dialect=dialect, name=name, reader=reader)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(accel.active()[reader] == "rust")
