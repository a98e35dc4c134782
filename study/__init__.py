"""What the sites agreed: the protocol, its schema and digest, names on the wire, and how failures speak."""
