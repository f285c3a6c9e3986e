"""One module for each venue's wire protocol, written from the venue's public documents only."""
