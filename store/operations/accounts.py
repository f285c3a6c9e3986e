"""Writing registered accounts. Keys are not kept here."""

from __future__ import annotations

from sqlalchemy import insert, update

from store.records import Account
from store.rows import columns_of
from store.tables import ACCOUNTS
from store.writer import Tx


def register_account(tx: Tx, account: Account) -> Account:
    """Write an account, replacing what was known under its id."""
    values = columns_of(account)
    this = ACCOUNTS.c.account_id == account.account_id
    if tx.connection.execute(update(ACCOUNTS).where(this).values(**values)).rowcount == 0:
        tx.connection.execute(insert(ACCOUNTS).values(**values))
    return account
