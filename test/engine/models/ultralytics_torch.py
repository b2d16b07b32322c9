"""A pickled detector as `YOLO(file)` opens it: prints its output for a fixed image as JSON."""

import json
import sys

import torch
from ultralytics import YOLO

side = int(sys.argv[2])
model = YOLO(sys.argv[1]).model.float().eval()
image = torch.linspace(0, 1, 3 * side * side).reshape(1, 3, side, side)
with torch.no_grad():
    output = model(image)[0]
print(json.dumps(dict(shape=list(output.shape), values=output.flatten().tolist())))
