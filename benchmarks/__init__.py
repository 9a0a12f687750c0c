"""Speed, each beside a peer in the same run."""

import os

# As the application does at its entry, before torch is imported: waiting threads sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
