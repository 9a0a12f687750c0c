"""An engine behind HTTP. docs/protocol.md describes what is sent; nothing here loads torch."""
