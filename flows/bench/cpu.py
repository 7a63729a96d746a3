"""The clock of benches: CPU time, which no other work on the machine changes much."""

from __future__ import annotations

import resource


def cpu_s() -> float:
    """Seconds of CPU time of this process, and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
