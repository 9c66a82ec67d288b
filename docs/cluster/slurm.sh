#!/bin/bash
# Trains on every GPU of two nodes: sbatch docs/cluster/slurm.sh
# The run directory, the data and the environment lie on a disk that all nodes see.
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@120

export WORKERS=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed 's/.*/"&:2222"/' | paste -sd,)
# A worker whose fellow was killed ends by itself, with status 75.
srun --kill-on-bad-exit=0 bash -c '
    export TF_CONFIG="{\"cluster\": {\"worker\": [$WORKERS]}, \"task\": {\"type\": \"worker\", \"index\": $SLURM_PROCID}}"
    exec env/bin/python -m keras_infogan.train --dataset=celeb_a --batch_size=512 --run_dir=runs/celeb_a'
status=$?
# 75 and above: stopped or killed, and the same command continues. Below: an error that comes again.
if [ $status -ge 75 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit $status
