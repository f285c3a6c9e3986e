"""From the store's records to documents. Pure: the same records make the same document."""
