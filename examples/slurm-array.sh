#!/bin/bash
# One sweep on many nodes of a Slurm cluster. Each task of the array trains its share into a store of its
# own; when all have ended, one more job merges the stores and draws the figures.
#
#   examples/slurm-array.sh experiments/phase-diagrams/sticky-plateau-length.yaml 16
#   examples/slurm-array.sh FILE TASKS [key=value ...]
#
# A share depends on the sweep alone: submitted again, also after a time limit, each task goes on where
# it was. A minute or two before the limit fovea is interrupted (B: signals the batch shell, which `exec` made
# fovea; without it only job steps are signalled). The last job waits for all shares to end, well or not: with
# `afterok` a single time limit would leave it pending for good. Merging adds whole runs, all or none, and may
# be repeated; what the shares have left over, that job trains until its own hour is up.
# Options of sbatch that your cluster wants (account, partition, ...) go into SBATCH_OPTIONS.
set -euo pipefail

file=${1:?an experiment file} tasks=${2:?the number of tasks}
shift 2
out=${FOVEA_OUT:-out/$(basename "$file" .yaml)}
cores=${FOVEA_CORES:-8} hours=${FOVEA_HOURS:-4}
fovea=${FOVEA:-fovea}
mkdir -p "$out/shares"

quoted=$(printf '%q ' "$file" "$@")
# shellcheck disable=SC2086 # several options, one a word
array=$(sbatch --parsable ${SBATCH_OPTIONS:-} --job-name fovea --array "1-$tasks" \
    --cpus-per-task "$cores" --time "$hours:00:00" --signal=B:INT@60 --output "$out/shares/%a.log" \
    --wrap "exec $fovea run $quoted --share \$SLURM_ARRAY_TASK_ID/$tasks --jobs $cores \
            --out $(printf '%q' "$out")/shares/\$SLURM_ARRAY_TASK_ID")
echo "array job $array: $tasks shares of $file"

stores=$(for k in $(seq "$tasks"); do printf '%q ' "$out/shares/$k"; done)
# shellcheck disable=SC2086
sbatch ${SBATCH_OPTIONS:-} --job-name fovea-merge --dependency "afterany:${array%%;*}" \
    --cpus-per-task "$cores" --time 1:00:00 --signal=B:INT@60 --output "$out/merge.log" \
    --wrap "$fovea runs merge $(printf '%q' "$out") $stores && \
            exec $fovea run $quoted --jobs $cores --out $(printf '%q' "$out")"
