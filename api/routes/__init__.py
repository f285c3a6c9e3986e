"""One file per noun: paths, scopes and documents. Rules live in core, flows and store."""
