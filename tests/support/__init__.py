"""What several tests share: small networks, made photos, servers in this process."""
