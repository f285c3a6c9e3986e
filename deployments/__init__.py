"""Where and how sessions run: everything on one machine here, other shapes beside it."""
