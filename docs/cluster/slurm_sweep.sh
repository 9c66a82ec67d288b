#!/bin/bash
# Ten runs of a sweep, each a task of an array: sbatch docs/cluster/slurm_sweep.sh
# The sweep's directory, the data and the environment lie on a disk that all nodes see. Afterwards the sweep's own command finds the runs finished, and
# sums them up: python -m keras_infogan.sweep --dataset=mnist --seeds=0:10 --sweep_dir=sweeps/mnist
#SBATCH --array=0-9
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --gres=gpu:1
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@120

run=sweeps/mnist/seed_$SLURM_ARRAY_TASK_ID
srun env/bin/python -m keras_infogan.train --model=infogan --dataset=mnist --run_dir=$run --seed=$SLURM_ARRAY_TASK_ID &&
    srun env/bin/python -m keras_infogan.evaluate --run_dir=$run --metrics=all
status=$?
# 75 and above: stopped or killed, and the same command continues. Below: an error that comes again.
if [ $status -ge 75 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit $status
