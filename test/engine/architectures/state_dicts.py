"""Parameters and digests of timm's state dicts, for figures.test.ts: usage state_dicts.py NAME… > fixtures/state-dicts.json"""
import hashlib
import json
import sys

import timm
import torch

COMPUTED = ("relative_position_index", "attn_mask")


def entry(name):
    try:
        with torch.device("meta"):
            model = timm.create_model(name, num_classes=1000)
    except (NotImplementedError, RuntimeError):
        model = timm.create_model(name, num_classes=1000)
    kept = {k: v for k, v in model.state_dict().items() if not k.endswith(COMPUTED)}
    lines = sorted(f"{k} {','.join(map(str, v.shape))}\n" for k, v in kept.items())
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()[:16]
    return [sum(p.numel() for p in model.parameters()), digest]


print(json.dumps({name: entry(name) for name in sys.argv[1:]}, indent=0))
