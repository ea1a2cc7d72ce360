# SPDX-License-Identifier: Apache-2.0
"""The work of a client: losses, optimisers, the step of one and of two passes."""

import copy

import torch
from torch.nn import functional

from .amplitude import Amplitude
from .batches import batches
from .settings import InputError
from .tensors import total_norm

SMALL = 1e-12


def dice_loss(logits, labels):
    """1 - mean over classes of (2 sum p y + s) / (sum p + sum y + s), sums over the batch."""
    smooth = 1e-5
    probabilities = functional.softmax(logits, dim=1)
    truth = functional.one_hot(labels, logits.shape[1]).movedim(-1, 1).to(logits.dtype)
    axes = (0, 2, 3)
    both = (probabilities * truth).sum(axes)
    total = probabilities.sum(axes) + truth.sum(axes)
    return 1 - ((2 * both + smooth) / (total + smooth)).mean()


def class_weights(settings, logits):
    """Weights of the classes, or None; `frequency` is not known here."""
    text = settings.train_class_weights
    if text == "none":
        return None
    if text == "frequency":
        raise InputError("train.class_weights = frequency is unknown here")
    return torch.tensor([float(weight) for weight in text.split(",")], dtype=logits.dtype)


def focal_loss(logits, labels, gamma, weights):
    """Weighted mean of -(1 - p)^gamma log p, p the probability of the class that is there."""
    log_p = functional.log_softmax(logits, dim=1)
    log_p = -functional.nll_loss(log_p, labels, reduction="none")
    weight = torch.ones_like(log_p) if weights is None else weights[labels]
    return -(weight * (1 - log_p.exp()) ** gamma * log_p).sum() / weight.sum()


def task_loss(settings, logits, labels):
    kind = settings.train_loss
    weights = class_weights(settings, logits)
    entropy = functional.cross_entropy(logits, labels, weight=weights)
    if kind == "focal":
        return focal_loss(logits, labels, settings.train_focal_gamma, weights)
    if kind == "cross-entropy":
        return entropy
    if kind == "cross-entropy-dice":
        return (entropy + dice_loss(logits, labels)) / 2
    raise InputError(f"train.loss = {kind} is unknown here")


def make_optimizer(settings, model):
    options = {"lr": settings.train_lr, "weight_decay": settings.train_weight_decay}
    if settings.train_optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), momentum=settings.train_momentum, foreach=False, **options)
    if settings.train_optimizer == "adam":
        return torch.optim.Adam(model.parameters(), foreach=False, **options)
    raise InputError(f"train.optimizer = {settings.train_optimizer} is unknown here")


def set_gradient(model, loss):
    """The gradient of the loss at all parameters; 0 where it does not depend on them."""
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients):
        parameter.grad = torch.zeros_like(parameter) if gradient is None else gradient


@torch.no_grad()
def perturbations(settings, model):
    """delta for each parameter, from the gradients of the first pass."""
    alpha = settings.perturbation_alpha
    parameters = list(model.parameters())
    if not settings.perturbation_adaptive:
        # delta = alpha g1 / (||g1|| + 1e-12)
        scale = alpha / (total_norm([parameter.grad for parameter in parameters]) + SMALL)
        return [parameter.grad * scale for parameter in parameters]
    # T = |w| + eta; delta = alpha T^2 g1 / (||T g1|| + 1e-12)
    sizes = [parameter.abs() + settings.perturbation_eta for parameter in parameters]
    scaled = [size * parameter.grad for size, parameter in zip(sizes, parameters)]
    scale = alpha / (total_norm(scaled) + SMALL)
    return [size * gradient * scale for size, gradient in zip(sizes, scaled)]


@torch.no_grad()
def shift(model, deltas, sign):
    for parameter, delta in zip(model.parameters(), deltas):
        parameter.add_(delta, alpha=sign)


def local_step(settings, model, optimizer, inputs, labels, extra_terms):
    """One step on one batch. `inputs` are the images of the two passes; `extra_terms` gives what
    a method adds to the loss from the model, the images and the features."""

    def objective(images):
        logits, features = model(images)
        loss = task_loss(settings, logits, labels)
        return loss + extra_terms(model, images, features)

    first, second = inputs
    # g1 = grad f(w)
    set_gradient(model, objective(first))
    if settings.perturbation_alpha > 0:
        # g2 = grad f(w + delta); w <- (w + delta) - delta
        deltas = perturbations(settings, model)
        shift(model, deltas, 1)
        set_gradient(model, objective(second))
        shift(model, deltas, -1)
    optimizer.step()


class Client:
    """A site with its model, its optimiser, and what a method keeps there.

    `share` is its weight among all clients, `weight` among those that count in the round. `vectors`
    are flat over the parameters; `models` hold whole models, and `local` what stays at the site of
    the network, tensors by name.
    """

    def __init__(self, site, share, settings, model):
        self.site = site
        self.share = share
        self.weight = share
        self.settings = settings
        self.model = copy.deepcopy(model)
        self.amplitude = Amplitude(settings)
        self.steps = 0
        self.forget()

    def forget(self):
        """Drops all that was kept from earlier rounds."""
        self.vectors = {}
        self.models = {}
        self.local = {}
        self.steps_taken = 0
        self.personal = None
        self.reset_optimizer()

    def reset_optimizer(self):
        self.optimizer = make_optimizer(self.settings, self.model)

    def inputs(self, images):
        """What the network sees in the first and in the second pass."""
        first = self.amplitude(images)
        one_pass = self.settings.perturbation_alpha == 0
        if one_pass or self.settings.amplitude_update == "first-pass":
            return first, first
        return first, self.amplitude(images)

    def train(self, method, round_index):
        """The local work of one round."""
        self.steps = 0
        if self.settings.train_local_steps:
            made = self.next_batches(self.settings.train_local_steps)
        else:
            epochs = range(self.settings.train_local_epochs)
            made = (b for epoch in epochs for b in batches(self.site, self.settings, round_index, epoch))
        for images, labels in made:
            self.step(method, images, labels)

    def next_batches(self, steps):
        """So many batches, on from the one that this client had last; pass k draws as round k."""
        a_pass = len(batches(self.site, self.settings, 0, 0))
        for _ in range(steps):
            number, position = divmod(self.steps_taken, a_pass)
            self.steps_taken += 1
            yield batches(self.site, self.settings, number, 0)[position]

    def step(self, method, images, labels):
        def extra_terms(*arguments):
            return method.extra_terms(self, *arguments)

        inputs = self.inputs(images)
        local_step(self.settings, self.model, self.optimizer, inputs, labels, extra_terms)
        method.after_step(self, inputs, labels)
        self.steps += 1
