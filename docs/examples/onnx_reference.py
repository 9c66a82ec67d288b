"""Generates images with onnx's reference evaluator, which is slow and needs numpy only:

python onnx_reference.py EXPORT_DIR
"""

import json
import sys

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

model = onnx.load(f"{sys.argv[1]}/generator.onnx")
contract = json.loads(
    next(entry.value for entry in model.metadata_props if entry.key == "keras_infogan")
)
first = contract["inputs"][0]
categories = np.arange(first["range"][1] + 1)

feeds = {}
for name, tensor in contract["onnx"]["generator"]["inputs"].items():
    feeds[name] = np.zeros((len(categories), *tensor["shape"][1:]), tensor["type"])
feeds[first["name"]] = categories
images = ReferenceEvaluator(model).run(["images"], feeds)[0]
print(*(f"{image.mean():.7f}" for image in images))
