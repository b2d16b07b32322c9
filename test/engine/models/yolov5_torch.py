"""A pickled YOLOv5 in PyTorch, with stand-ins for its authors' classes: prints its output for a fixed image as JSON."""

import json
import sys
import types

import torch
from torch import nn


class Conv(nn.Module):
    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def forward(self, x):
        y = self.cv2(self.cv1(x))
        return y + x if self.add else y


class C3(nn.Module):
    def forward(self, x):
        sides = [self.m(self.cv1(x)), self.cv2(x)]
        return self.cv3(torch.cat(sides, dim=1))


class SPPF(nn.Module):
    def forward(self, x):
        levels = [self.cv1(x)]
        while len(levels) < 4:
            levels.append(self.m(levels[-1]))
        return self.cv2(torch.cat(levels, dim=1))


class Concat(nn.Module):
    def forward(self, values):
        return torch.cat(values, dim=self.d)


class Detect(nn.Module):
    def forward(self, maps):
        rows = []
        for level, feature in enumerate(maps):
            batch, _, height, width = feature.shape
            stride = SIDE / height
            raw = self.m[level](feature).reshape(batch, self.na, self.no, height, width)
            share = raw.sigmoid().movedim(2, -1)
            row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            cell = torch.stack([column, row], dim=-1).float()
            centre = (2 * share[..., :2] - 0.5 + cell) * stride
            anchor = self.anchors[level].reshape(1, self.na, 1, 1, 2) * stride
            sides = (2 * share[..., 2:4]).square() * anchor
            rows.append(torch.cat([centre, sides, share[..., 4:]], dim=-1).reshape(batch, -1, self.no))
        return torch.cat(rows, dim=1)


class Model(nn.Module):
    def forward(self, x):
        outputs = []
        for layer in self.model:
            sources = layer.f if isinstance(layer.f, list) else [layer.f]
            values = [(outputs[j] if outputs else x) if j < 0 else outputs[j] for j in sources]
            outputs.append(layer(values if isinstance(layer.f, list) else values[0]))
        return outputs[-1]


SIDE = int(sys.argv[2])
common, yolo = types.ModuleType("models.common"), types.ModuleType("models.yolo")
for known, where in [(Conv, common), (Bottleneck, common), (C3, common), (SPPF, common), (Concat, common), (Detect, yolo), (Model, yolo)]:
    known.__module__ = where.__name__
    setattr(where, known.__name__, known)
sys.modules.update({"models": types.ModuleType("models"), "models.common": common, "models.yolo": yolo})
model = torch.load(sys.argv[1], map_location="cpu", weights_only=False)["model"].float().eval()
image = torch.linspace(0, 1, 3 * SIDE * SIDE).reshape(1, 3, SIDE, SIDE)
with torch.no_grad():
    output = model(image)
print(json.dumps(dict(shape=list(output.shape), values=output.flatten().tolist())))
