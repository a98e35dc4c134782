"""A clinic: ingest, site table, head store, agent and the relay that Flower runs."""
