#!/bin/sh
# Shows and runs a SavedModel with the program that comes with TensorFlow: sh saved_model_cli.sh EXPORT_DIR [INPUTS]
# The inputs are by default those of the README's first command; `saved_model_cli show` says what yours are.
set -eu
model=$(ls -d "$1"/*/[0-9]* | sort -V | tail -n 1)
output=$(mktemp -d)
trap 'rm -r "$output"' EXIT
zeros='[0.,0.,0.,0.,0.,0.,0.,0.,0.,0.]'
noise='[0.,0.,0.,0.,0.,0.,0.,0.,0.,0.,0.,0.,0.,0.,0.,0.]'
noises="[$noise,$noise,$noise,$noise,$noise,$noise,$noise,$noise,$noise,$noise]"
inputs=${2:-"digit=[0,1,2,3,4,5,6,7,8,9];slant=$zeros;width=$zeros;noise=$noises"}
saved_model_cli show --dir "$model" --tag_set serve --signature_def serving_default
saved_model_cli run --dir "$model" --tag_set serve --signature_def serving_default --input_exprs "$inputs" --outdir "$output"
python -c "import sys, numpy; print(*(f'{image.mean():.7f}' for image in numpy.load(sys.argv[1])))" "$output/images.npy"
