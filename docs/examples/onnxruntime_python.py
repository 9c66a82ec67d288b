"""Generates images with ONNX Runtime, knowing nothing but the file:

python onnxruntime_python.py EXPORT_DIR
"""

import json
import sys

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(f"{sys.argv[1]}/generator.onnx")
contract = json.loads(session.get_modelmeta().custom_metadata_map["keras_infogan"])
first = contract["inputs"][0]
categories = np.arange(first["range"][1] + 1)

feeds = {}
for name, tensor in contract["onnx"]["generator"]["inputs"].items():
    feeds[name] = np.zeros((len(categories), *tensor["shape"][1:]), tensor["type"])
feeds[first["name"]] = categories
images = session.run(["images"], feeds)[0]
print(*(f"{image.mean():.7f}" for image in images))
