"""What train.py's parts make of the cases in a JSON file: prints the results as JSON."""

import importlib.util
import json
import os
import sys
from types import SimpleNamespace

import torch

cases = json.load(open(sys.argv[1]))
sys.dont_write_bytecode = True
sys.path.insert(0, cases["programs"])
import images  # noqa: E402
import recipe  # noqa: E402
import run_folder  # noqa: E402


def settings(values):
    return SimpleNamespace(**values)


def network(file):
    spec = importlib.util.spec_from_file_location(os.path.basename(file)[:-3], file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Model()


def decays(case):
    model = network(case["file"])
    found = {}
    for group in recipe.make_optimizer(model, settings(case["settings"])).param_groups:
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        for parameter in group["params"]:
            found[names[id(parameter)]] = group["weight_decay"]
    return found


def averages(case):
    chosen, found, updates = settings(case["settings"]), [], 0
    model = torch.nn.Linear(1, 1, bias=False).double()
    average = {"weight": torch.zeros(1, 1, dtype=torch.float64)}
    weights = iter(case["weights"])
    for epoch in range(case["epochs"]):
        for step in range(case["steps"]):
            torch.nn.init.constant_(model.weight, next(weights))
            updates = recipe.update_average(average, model, chosen, case["batch"], epoch, step, updates)
            found.append(average["weight"].item())
    return found


def losses(case):
    heads = [torch.tensor(head, requires_grad=True) for head in case["heads"]]
    teacher = torch.tensor(case["teacher"]) if "teacher" in case else None
    targets = torch.tensor(case["targets"])
    return (recipe.sum_of_losses(heads, targets, settings(case["settings"]), teacher) / len(targets)).item()


def batches(case):
    order = images.epoch_order(case["samples"], case["epoch"], settings(case["settings"]))
    ranks = []
    for rank in range(case["ranks"]):
        one = images.EpochBatches(
            lambda epoch: order, len(order), batch_size=case["batch"], accumulation=case["accumulation"], rank=rank, ranks=case["ranks"]
        )
        ranks.append([[position for _, position, _ in batch] for batch in one])
    return {"order": order, "ranks": ranks}


class Chosen:
    """A generator whose draws are given: kind, weight of the Beta distribution, centre of the box."""

    def __init__(self, case):
        self.case, self.centre = case, iter(case.get("centre", []))

    def choice(self, kinds):
        return self.case["kind"]

    def betavariate(self, a, b):
        return self.case["lambda"]

    def randrange(self, size):
        return next(self.centre)


def mixed(case):
    chosen = settings({"mixup_alpha": 1, "cutmix_alpha": 1})
    shape = case["shape"]
    batch = torch.tensor(case["images"]).reshape(shape).permute(0, 3, 1, 2)
    result, targets = recipe.mix(batch, torch.tensor(case["labels"]), case["classes"], chosen, Chosen(case))
    return {"images": result.permute(0, 2, 3, 1).reshape(-1).tolist(), "targets": targets.reshape(-1).tolist()}


def failures(place):
    """What is kept of a failure in a loading process, of the ranks that hear of it, and of the next start's."""
    run_folder.FOLDER = place
    loading = images.UnreadableImage("Caught UnreadableImage in DataLoader worker process 0.\nTraceback …\nimages.UnreadableImage: a.png: mend it")
    first = [run_folder.note_failure(error) for error in (loading, RuntimeError("Connection closed by peer"))]
    run_folder.forget_failure()
    run_folder.forget_failure()
    return [*first, run_folder.note_failure(KeyboardInterrupt())]


rates = [
    [recipe.learning_rate(settings(c["settings"]), e, s, c["steps"]) for e in range(c["settings"]["epochs"]) for s in range(c["steps"])]
    for c in cases["schedules"]
]
result = {
    "rates": rates,
    "decays": [decays(case) for case in cases["decays"]],
    "averages": [averages(case) for case in cases["averages"]],
    "losses": [losses(case) for case in cases["losses"]],
    "batches": [batches(case) for case in cases["batches"]],
    "mixed": [mixed(case) for case in cases["mixed"]],
    "seeds": [images.derive_seed(*parts) for parts in cases["seeds"]],
    "failures": failures(os.path.dirname(sys.argv[1])),
}
print(json.dumps(result))
