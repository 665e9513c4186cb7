"""Prints sqlite databases as JSON, one line for each file named: schema without its spacing, rows in a fixed order."""
import json
import re
import sqlite3
import sys

for path in sys.argv[1:]:
    database = sqlite3.connect(path)
    database.text_factory = lambda raw: raw.decode("utf-8")
    objects = database.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    schema = sorted([kind, name, re.sub(r"\s*([(),;])\s*", r"\1", re.sub(r"\s+", " ", sql)).replace(" on ", " ON ")] for kind, name, sql in objects)
    rows = {}
    for kind, name, _ in objects:
        if kind == "table":
            rows[name] = sorted((list(row) for row in database.execute("SELECT * FROM " + name)), key=json.dumps)
    check = database.execute("PRAGMA integrity_check").fetchall()[0][0]
    print(json.dumps({"schema": schema, "rows": rows, "check": check, "columns": {name: database.execute("PRAGMA table_info(" + name + ")").fetchall() for name in sorted(rows)}}))
