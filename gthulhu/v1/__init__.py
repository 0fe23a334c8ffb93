"""Generated from the schema in `proto/`; never edited."""
