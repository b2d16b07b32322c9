"""Exports small modules with torch.onnx for the tests: usage export_module.py FOLDER

Writes NAME.onnx, NAME.input (the image as float32) for each, and prints their logits and state-dict names as one JSON object.
"""
import json
import os
import sys
import warnings

import torch
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.act = nn.Hardswish()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.gate = nn.Conv2d(width, width, 1)

    def forward(self, x):
        y = self.conv2(self.act(self.bn1(self.conv1(x))))
        return x + y * torch.sigmoid(self.gate(F.adaptive_avg_pool2d(y, 1)))


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU6())
        self.layer1 = nn.Sequential(Block(8), Block(8))
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.pool(self.layer1(self.stem(x)))
        x = torch.cat([x, F.silu(x)], 1)
        return self.head(x.mean((2, 3)).flatten(1))


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        n, length, width = x.shape
        qkv = self.qkv(x).reshape(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).reshape(n, length, width))


class EncoderLayer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 2 * width)
        self.fc2 = nn.Linear(2 * width, width)
        self.gamma = nn.Parameter(0.5 * torch.ones(width))

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.gamma * self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self, width=12, heads=3):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(torch.randn(1, 17, width))
        self.blocks = nn.ModuleList([EncoderLayer(width, heads) for _ in range(2)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return torch.softmax(self.head(self.norm(x)[:, 0]), -1)


def export(folder, name, module, **options):
    x = torch.randn(1, 3, 16, 16)
    torch.onnx.export(
        module.eval(), x, os.path.join(folder, name + ".onnx"), dynamo=False, input_names=["input"], **options
    )
    x.numpy().astype("<f4").tofile(os.path.join(folder, name + ".input"))
    with torch.no_grad():
        logits = module.eval()(x)[0]
    return {"output": logits.tolist(), "names": list(module.state_dict())}


def main(folder):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    dynamic = {"dynamic_axes": {"input": {0: "batch"}}}
    kept = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
    convolutions, transformer = Convolutions(), Transformer()
    for module in convolutions.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    print(
        json.dumps(
            {
                "fused": export(folder, "fused", convolutions, opset_version=17, **dynamic),
                "kept": export(folder, "kept", convolutions, opset_version=17, **dynamic, **kept),
                "one_image": export(folder, "one_image", convolutions, opset_version=13),
                "tokens": export(folder, "tokens", transformer, opset_version=17, **dynamic),
                "tokens_old": export(folder, "tokens_old", transformer, opset_version=14, **dynamic),
                "tokens_one_image": export(folder, "tokens_one_image", transformer, opset_version=17),
            }
        )
    )


main(sys.argv[1])
