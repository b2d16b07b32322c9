"""Gradients for pruning, on one process or many: torchrun … score.py writes gradients.safetensors, which
`espalier prune --gradients` reads.

Taylor: the sum over batches of the gradient of each batch's mean cross-entropy. Hessian: the square root of the mean over
images of the squared gradient, so that it is squared again where it is read. Evaluation mode, evaluation's pixels.
"""

import sys

import torch
import torch.distributed as dist
import torch.nn.functional as F

import run_folder as folder
from images import ORDER, Images, derive_seed, list_images, make_loader, output_names, permutation
from train import CUDA, DEVICE, RANK, RANKS, load_network, logits_of, say, start_ranks, total


def batches_of_rank(count, settings):
    """This rank's batches of the first ones of the first epoch's order; ranks take turns."""
    order = permutation(count, derive_seed(settings.seed, ORDER, 0))
    size = settings.batch_size
    starts = range(0, min(settings.batches * size, count), size)
    batches = [[(order[i], i, 0) for i in range(start, min(start + size, count))] for start in starts]
    return batches[RANK::RANKS]


def accumulate(model, images, labels, sums, squares):
    """Adds the batch's gradient to the sums, or of each of its images the squared one."""
    parts = zip(images.split(1), labels.split(1)) if squares else [(images, labels)]
    for image, label in parts:
        loss = F.cross_entropy(logits_of(model(image))[0].float(), label)
        gradients = torch.autograd.grad(loss, list(sums), allow_unused=True)
        for parameter, gradient in zip(sums, gradients):
            if gradient is not None:
                sums[parameter] += gradient.square() if squares else gradient


def main():
    job, settings, _ = folder.read_job()
    say(f"{settings.pruning_type} gradients of {job.network.name}: {start_ranks(job, settings)}")
    model, _ = load_network(job.network)
    model.eval().requires_grad_(True)
    names = output_names(job.request.dataPath, job.images, job.network.classes)
    samples = list_images(job.request.dataPath, "train", names)
    batches = batches_of_rank(len(samples), settings)
    workers = 1 if settings.workers is None else settings.workers
    loader = make_loader(Images(samples, job.images.evaluation, settings.seed), batches, workers, CUDA)
    sums = {parameter: torch.zeros_like(parameter) for parameter in model.parameters()}
    squares, images = settings.pruning_type == "hessian", 0
    for done, (batch, labels) in enumerate(loader):
        accumulate(model, batch.to(DEVICE), labels.to(DEVICE), sums, squares)
        images += len(labels)
        say(f"batch {done + 1} of {len(batches)}" + (f", times {RANKS} processes" if RANKS > 1 else ""))
    [everywhere] = total(images)
    for value in sums.values():
        if RANKS > 1:
            dist.all_reduce(value)
        if squares:
            value.div_(everywhere).sqrt_()
        if not torch.isfinite(value).all():
            raise SystemExit("A gradient is no number: the network overflows on these images, so that they give no scores.")
    if RANK == 0:
        found = {name: sums[parameter] for name, parameter in model.named_parameters()}
        about = {"format": "pt", "images": str(int(everywhere)), "criterion": settings.pruning_type}
        folder.write_safetensors(folder.place("gradients.safetensors"), found, about)
        say(f"gradients of {int(everywhere)} images: gradients.safetensors")
    if RANKS > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main())
