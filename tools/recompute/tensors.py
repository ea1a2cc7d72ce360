# SPDX-License-Identifier: Apache-2.0
"""Models as tensors by name and as flat vectors; norms and the errors that are compared."""

import math

import torch


def snapshot(model):
    """A copy of all parameters and buffers, by name."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def load(model, tensors):
    """Copies those of the tensors into the model that it has."""
    own = model.state_dict()
    with torch.no_grad():
        for name in own.keys() & tensors.keys():
            own[name].copy_(tensors[name])


def flat_parameters(model, order):
    """All parameters as one vector, differentiable."""
    parameters = dict(model.named_parameters())
    return torch.cat([parameters[name].reshape(-1) for name in order])


def unflatten(vector, names, like):
    """The parts of a vector as tensors of the shapes in `like`, by name."""
    parts = vector.split([like[name].numel() for name in names])
    return {name: part.reshape(like[name].shape) for name, part in zip(names, parts)}


def total_norm(tensors):
    """The Euclidean norm over all tensors together."""
    return math.sqrt(sum(tensor.double().square().sum().item() for tensor in tensors))


def ratio(error, size):
    """error / size, where 0 / 0 is 0."""
    if error == 0:
        return 0.0
    return error / size if size > 0 else math.inf


def vector_error(got, expected):
    """||got - expected|| / ||expected||"""
    return ratio(total_norm([got - expected]), total_norm([expected]))


def update_error(got, expected, initial):
    """sqrt(sum ||w_got - w_exp||^2) / sqrt(sum ||w_exp - w_initial||^2)"""
    error = total_norm([got[name] - expected[name] for name in expected])
    return ratio(error, total_norm([expected[name] - initial[name] for name in expected]))


def buffer_error(got, expected):
    """The largest max|b_got - b_exp| / max|b_exp|"""
    errors = [
        ratio((got[name] - tensor).abs().max().item(), tensor.abs().max().item())
        for name, tensor in expected.items()
    ]
    return math.nan if any(map(math.isnan, errors)) else max(errors)
