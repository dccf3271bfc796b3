"""Prints the statements of a server's log, one of each shape: texts that differ in literals, numbers in names or the
length of lists of values alone are one."""

import json
import re
import sys

LITERAL = re.compile(r"""'(?:[^']|'')*'|\$\d+|\b\d+(?:\.\d+)?\b""")
LIST = re.compile(r"(?:[?](?:::\w+)?\s*,\s*)+[?]")
ROWS = re.compile(r"(\([?, ]+\)\s*,\s*)+")
seen = {}
for line in open(sys.argv[1]):
    entry = json.loads(line)
    found = re.match(r"(?:statement|execute [^:]*|fetch from [^:]*): (.*)", entry.get("message", ""), re.S)
    tool = entry.get("application_name") or "driver"
    if not found or tool == "made":
        continue
    text = found.group(1).strip().rstrip(";").strip()
    shape = ROWS.sub("", LIST.sub("?", re.sub(r"\d+", "?", LITERAL.sub("?", text))))
    shape = re.sub(r"\s+", " ", shape)
    if text and shape not in seen:
        seen[shape] = (tool, text)
print("-- What tools send: `cargo xtask conformance grammar --capture` makes this file.")
last = None
for tool, text in sorted(seen.values(), key=lambda pair: pair[0]):
    if tool != last:
        print(f"-- {tool}")
        last = tool
    # A simple query of several statements stays one text: psql sends what is in front of `\;` with what follows.
    print(text + ";")
