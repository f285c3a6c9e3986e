"""The public face: REST, WebSocket and the live page. It reads the store and asks Prefect to run; it never trades."""
