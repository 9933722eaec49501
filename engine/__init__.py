"""The machinery between ports: ingest puts facts in the log, a worker folds it, a projector makes rows of what was found.

Ports: `log`, `source`, `topology`, `checkpoints`, `store`, `projection`.
Machinery: `ingest`, `worker` (begins with `restore`), `projector` (reads with `reader`).
Nothing here knows a driver, a clock or a thread.
"""
