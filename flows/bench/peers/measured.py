"""What the scripts beside it have in common; they are run by `.venv-peers`."""

import resource


def cpu_s() -> float:
    """Seconds of CPU time of this process, and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
