"""Run by `.venv-peers`, never imported: repeated runs of bytes by one suffix array over all texts in memory, as Lee et al. 2022 find them.

Takes a file of texts with a zero byte between them, and the least bytes of a run; prints its seconds of CPU time, and how many bytes
stand in a run that stands elsewhere too.
"""

import sys

import numpy as np
from measured import cpu_s
from pydivsufsort import divsufsort, kasai

if __name__ == "__main__":
    file, least = sys.argv[1:]
    data = np.fromfile(file, np.uint8)
    before = cpu_s()
    places = divsufsort(data)
    alike = np.flatnonzero(kasai(data, places) >= int(least))
    starts = np.union1d(places[alike], places[alike + 1])
    depth = np.bincount(starts, minlength=len(data) + 1)[: len(data)].astype(np.int64)
    depth[int(least) :] -= depth[: -int(least)].copy()
    print(cpu_s() - before, np.count_nonzero(np.cumsum(depth)))
