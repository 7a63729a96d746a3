"""Token shards in, an evaluated model out."""

import os

# Threads that wait for one another sleep rather than spin: on shared cores spinning made training five times slower.
# The OpenMP library reads this once, as torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
