"""What the journal can write: one function per operation, each a pure use of one transaction.

Every function takes the running transaction first and must be safe to run again after a rollback.
"""
