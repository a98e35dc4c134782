"""What the sites agreed: protocol, digest, names on the wire, and how failures speak."""
