#!/usr/bin/env bash
# Make the work pools and their limits, and deploy every flow. Needs a running server (PREFECT_API_URL); may be run again.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
prefect() { command prefect --no-prompt "$@"; }

prefect work-pool create cpu --type process --overwrite
prefect work-pool create gpu --type process --overwrite
prefect work-pool set-concurrency-limit cpu 2 # flow runs at once; each spreads over the cores by itself
prefect work-pool set-concurrency-limit gpu 1 # one training a GPU
prefect deploy --all
