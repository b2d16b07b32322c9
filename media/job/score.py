"""Gradients for pruning, on one process or many: torchrun … score.py writes gradients.safetensors, which
`espalier prune --gradients` reads.

Taylor: the sum over batches of the gradient of each batch's mean cross-entropy. Hessian: the square root of the mean over
images of the squared gradient, so that it is squared again where it is read. Evaluation mode, evaluation's pixels.
"""

import sys
import time

import torch
import torch.distributed as dist
import torch.nn.functional as F

import run_folder as folder
from images import ORDER, Images, derive_seed, list_images, make_loader, output_names, permutation
from train import CUDA, DEVICE, RANK, RANKS, load_network, logits_of, say, start_ranks, total


def batches_of_rank(count, settings):
    """This rank's batches of the first ones of the first epoch's order, and how many there are; ranks take turns."""
    order = permutation(count, derive_seed(settings.seed, ORDER, 0))
    size = settings.batch_size
    starts = range(0, min(settings.batches * size, count), size)
    batches = [[(order[i], i, 0) for i in range(start, min(start + size, count))] for start in starts]
    return batches[RANK::RANKS], len(batches)


def accumulate(model, images, labels, sums, squares):
    """Adds the batch's gradient to the sums, or of each of its images the squared one."""
    parts = zip(images.split(1), labels.split(1)) if squares else [(images, labels)]
    for image, label in parts:
        loss = F.cross_entropy(logits_of(model(image))[0].float(), label)
        gradients = torch.autograd.grad(loss, list(sums), allow_unused=True)
        for parameter, gradient in zip(sums, gradients):
            if gradient is not None:
                sums[parameter] += gradient.square() if squares else gradient


def prepare(job, settings, workers, most=None):
    """The network, where its gradients go, a loader of this rank's batches, and how many batches all ranks have."""
    model, _ = load_network(job.network)
    model.eval().requires_grad_(True)
    names = output_names(job.request.dataPath, job.images, job.network.classes)
    samples = list_images(job.request.dataPath, "train", names)
    batches, count = batches_of_rank(len(samples), settings)
    loader = make_loader(Images(samples, job.images.evaluation, settings.seed), batches[:most], workers, CUDA)
    return model, {parameter: torch.zeros_like(parameter) for parameter in model.parameters()}, loader, count


def one_batch(job, settings):
    """The gradients of one batch, which are not kept: whether that goes here."""
    model, sums, loader, _ = prepare(job, settings, 0, 1)
    for batch, labels in loader:
        accumulate(model, batch.to(DEVICE), labels.to(DEVICE), sums, settings.pruning_type == "hessian")


def score(job, settings):
    """Computes and writes them."""
    backend = start_ranks(job, settings)
    say(f"{settings.pruning_type} gradients of {job.network.name}: {backend}")
    model, sums, loader, count = prepare(job, settings, 1 if settings.workers is None else settings.workers)
    squares, images = settings.pruning_type == "hessian", 0
    since = told = time.monotonic()
    for done, (batch, labels) in enumerate(loader, 1):
        accumulate(model, batch.to(DEVICE), labels.to(DEVICE), sums, squares)
        images += len(labels)
        say(f"batch {done} of {len(loader)}" + (f", times {RANKS} processes" if RANKS > 1 else ""))
        now = time.monotonic()
        if RANK == 0 and (now - told > 1 or done == 1):
            told, ahead = now, min(done * RANKS, count)
            left = (count - ahead) * (now - since) / ahead
            folder.write_scoring(done=ahead, total=count, imagesPerSecond=RANKS * images / (now - since), remaining=left)
    [everywhere] = total(images)
    for value in sums.values():
        if RANKS > 1:
            dist.all_reduce(value)
        if squares:
            value.div_(everywhere).sqrt_()
        if not torch.isfinite(value).all():
            raise RuntimeError("a gradient is no number: the network overflows on these images, so that they give no scores")
    if RANK == 0:
        found = {name: sums[parameter] for name, parameter in model.named_parameters()}
        about = {"format": "pt", "images": str(int(everywhere)), "criterion": settings.pruning_type}
        folder.write_safetensors(folder.place("gradients.safetensors"), found, about)
        folder.write_scoring(done=count, total=count)
        say(f"gradients of {int(everywhere)} images: gradients.safetensors")


def main():
    job, settings, _ = folder.read_job()
    try:
        score(job, settings)
    except BaseException as error:
        folder.note_failure(error)
        raise
    if RANKS > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main())
