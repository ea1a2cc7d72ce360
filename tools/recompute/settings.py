# SPDX-License-Identifier: Apache-2.0
"""What of a run's config.ini matters for recomputing it."""

import configparser
import dataclasses


class InputError(Exception):
    """A file or value that cannot be used; the text says which and why."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What of a configuration matters here; the names are section_key."""

    run_seed: int = 0
    run_rounds: int = 1
    run_evaluate_every: int = 1
    data_shards: str = ""
    data_batch_size: int = 16
    data_weights: str = "uniform"
    data_truncate: bool = False
    data_augment: bool = False
    data_shuffle: bool = False
    data_partition: str = "site"
    data_hold_out: str = ""
    cohort_size: int = 0
    cohort_sampling: str = "uniform"
    cohort_over_sampling: float = 1.0
    fleet_table: str = ""
    fleet_speed: str = ""
    fleet_bandwidth: str = ""
    fleet_latency: str = ""
    fleet_availability: str = ""
    fleet_sample_time: float = 0.0
    fleet_deadline: float = 0.0
    fleet_drop_before: float = 0.0
    fleet_drop_after: float = 0.0
    model_name: str = "unet"
    model_width: int = 32
    model_norm: str = "batch-stateless"
    model_memory_format: str = "contiguous"
    model_projection: str = "none"
    model_buffers: str = "average"
    train_optimizer: str = "adam"
    train_lr: float = 0.001
    train_schedule: str = "constant"
    train_warm_up: int = 0
    train_momentum: float = 0.9
    train_weight_decay: float = 0.0001
    train_local_epochs: int = 1
    train_local_steps: int = 0
    train_nonfinite: str = "stop"
    train_loss: str = "cross-entropy"
    train_focal_gamma: float = 2.0
    train_class_weights: str = "none"
    algorithm_name: str = "fedavg"
    algorithm_mu: float = None
    algorithm_temperature: float = None
    algorithm_beta: float = None
    algorithm_server_lr: float = None
    algorithm_beta1: float = None
    algorithm_beta2: float = None
    algorithm_tau: float = None
    algorithm_a: float = None
    algorithm_lambda: float = None
    amplitude_band: str = "off"
    amplitude_momentum: float = 0.1
    amplitude_update: str = "first-pass"
    amplitude_record: str = "band"
    perturbation_alpha: float = 0.0
    perturbation_adaptive: bool = False
    perturbation_eta: float = 0.0


def convert(text, kind):
    """The text of a configuration as a value of the kind."""
    if kind is bool:
        return {"true": True, "false": False}[text]
    return kind(text)


def read_settings(path):
    """Settings of a config.ini; a key that is missing or `auto` keeps its default."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    if not parser.read(path, encoding="utf-8"):
        raise InputError(f"{path}: cannot be read")
    values = {}
    for field in dataclasses.fields(Settings):
        section, key = field.name.split("_", 1)
        text = parser.get(section, key, fallback="auto")
        if text == "auto":
            continue
        try:
            values[field.name] = convert(text, field.type)
        except (KeyError, ValueError):
            raise InputError(f"{path}: {section}.{key} = {text} is not a value") from None
    settings = Settings(**values)
    if settings.data_augment and not settings.data_shuffle:
        raise InputError(f"{path}: data.augment = true does nothing without data.shuffle = true")
    if settings.cohort_sampling not in ("uniform", "weighted", "fixed"):
        raise InputError(f"{path}: cohort.sampling = {settings.cohort_sampling} is unknown here")
    if settings.model_buffers not in ("average", "local", "recompute"):
        raise InputError(f"{path}: model.buffers = {settings.model_buffers} is unknown here")
    if settings.data_hold_out:
        raise InputError(f"{path}: data.hold_out = {settings.data_hold_out} is unknown here")
    if settings.train_schedule != "constant" or settings.train_warm_up > 0:
        raise InputError(
            f"{path}: schedules of the learning rate (train.schedule, train.warm_up) are unknown here"
        )
    return settings
