"""What goes over the wire, as documents: camelCase names, money as JSON numbers, times as ISO 8601 with Z."""
