"""Token shards in, an evaluated model out."""
