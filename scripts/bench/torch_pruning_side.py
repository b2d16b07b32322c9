"""Torch-Pruning's side of the pruning benchmark: one JSON line for each model: seconds of graph build and prune.

Gradients are given (random), so that what is timed is what a new FLOP target costs: dependency graph, importance, plan, prune.
"""
import json
import sys
import time

import timm
import torch
import torch_pruning as tp


def heads_of(model):
    return {m.qkv: m.num_heads for m in model.modules() if hasattr(m, "qkv") and hasattr(m, "num_heads")}


def once(name):
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=1000).eval()
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    ignored = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == 1000]
    ignored += [m.relative_position_bias_table for m in model.modules() if hasattr(m, "relative_position_bias_table")]
    start = time.perf_counter()
    pruner = tp.pruner.MetaPruner(
        model,
        torch.randn(1, 3, 224, 224),
        importance=tp.importance.GroupTaylorImportance(),
        global_pruning=True,
        isomorphic=True,
        pruning_ratio=0.26,
        ignored_layers=ignored,
        num_heads=heads_of(model),
        round_to=2,
    )
    pruner.step()
    return time.perf_counter() - start


for line in sys.stdin:
    print(json.dumps({"seconds": once(json.loads(line)["model"]), "label": f"torch-pruning {tp.__version__}"}), flush=True)
