"""Prunes timm's networks with Torch-Pruning, in double precision: usage prune_torch_pruning.py FOLDER CASES

CASES is a JSON list of {id, model, criterion, ratio, head_ratio, head_dim_ratio, global, isomorphic, round_to}; FOLDER has
ID.pth (state dict) and ID.gradients.pth. Writes ID.pruned.pth, the state dict that is left, for each, and
prints the heads that are left by attention module, as JSON.
"""
import json
import os
import sys
import warnings

import torch
import torch_pruning as tp
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../engine/models"))
from timm_without_torchvision import timm  # noqa: E402

CLASSES = 1000
IMPORTANCE = {
    "taylor": tp.importance.GroupTaylorImportance,
    "l1": lambda: tp.importance.GroupMagnitudeImportance(p=1),
    "l2": lambda: tp.importance.GroupMagnitudeImportance(p=2),
}


def sort_layer_norms(model, before):
    """Torch-Pruning 1.6.1 takes what is left of a LayerNorm in the order of a Python set, for some widths not the channels'."""
    for name, module in model.named_modules():
        if isinstance(module, nn.LayerNorm):
            old = {float(value): i for i, value in enumerate(before[name + ".weight"])}
            order = torch.tensor([old[float(value)] for value in module.weight.detach()]).argsort()
            module.weight.data = module.weight.data[order]
            module.bias.data = module.bias.data[order]


def pruned(case, folder):
    place = os.path.join(folder, case["id"])
    model = timm.create_model(case["model"]).eval()
    state = torch.load(place + ".pth", weights_only=True)
    model.load_state_dict(state, strict=False)
    model.double()
    gradients = torch.load(place + ".gradients.pth", weights_only=True)
    for name, parameter in model.named_parameters():
        parameter.grad = gradients[name].double()
    attention = [m for m in model.modules() if hasattr(m, "qkv") and hasattr(m, "num_heads")]
    dims = case.get("head_dim_ratio")
    own_scope = {tuple(m.qkv for m in attention) if dims is not None else (): dims} if case["isomorphic"] else None
    pruner = tp.pruner.MetaPruner(
        model,
        torch.zeros(1, 3, 224, 224, dtype=torch.float64),
        importance=IMPORTANCE[case["criterion"]](),
        global_pruning=case["global"],
        isomorphic=case["isomorphic"],
        pruning_ratio=case["ratio"],
        pruning_ratio_dict=own_scope,
        ignored_layers=[m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == CLASSES],
        num_heads={m.qkv: m.num_heads for m in attention},
        prune_head_dims=True,
        prune_num_heads=True,
        head_pruning_ratio=case.get("head_ratio", 0),
        round_to=case["round_to"],
    )
    for group in pruner.step(interactive=True):
        group.prune()
    sort_layer_norms(model, {name: value.double() for name, value in state.items()})
    kept = {name: value.float() for name, value in model.state_dict().items() if value.is_floating_point()}
    torch.save(kept, place + ".pruned.pth")
    return {name: pruner.num_heads[m.qkv] for name, m in model.named_modules() if m in attention}


def main():
    # Parameters without a module of their own are pruned with a warning.
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    folder, cases = sys.argv[1], json.loads(sys.argv[2])
    print(json.dumps({case["id"]: pruned(case, folder) for case in cases}))


main()
