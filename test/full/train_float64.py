"""train.py of a job in double precision: what is left of a difference is not rounding. Stands in the job's folder."""
import runpy

import torch

torch.set_default_dtype(torch.float64)
torch.Tensor.float = torch.Tensor.double


def widened(_, inputs):
    return tuple(x.double() if torch.is_tensor(x) and x.is_floating_point() else x for x in inputs)


torch.nn.modules.module.register_module_forward_pre_hook(widened)
runpy.run_path("train.py", run_name="__main__")
