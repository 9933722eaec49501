"""What is written down: frozen records, and the way between records and bytes.

Read in this order: `instant` (time), `event` (what happened), `frame` (many readings in columns), `record` (one entry of a
log), `codec` (event <-> record, event -> JSON line), `line` (JSON line -> event, strictly), `errors` (the one tree).
"""
