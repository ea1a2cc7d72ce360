# SPDX-License-Identifier: Apache-2.0
"""The experiments, as data. docs/guides/study.md says what each asks."""

from dataclasses import dataclass, field

Keys = dict[str, str]
"""Configuration keys and their values."""

HALVES = {
    "amplitude": {"algorithm.name": "harmofl", "perturbation.alpha": "0"},
    "perturbation": {"algorithm.name": "harmofl", "amplitude.band": "off"},
}
METHODS: dict[str, Keys] = {
    "fedavg": {"algorithm.name": "fedavg"},
    "harmofl": {"algorithm.name": "harmofl"},
    **HALVES,
    "fedbn": {"algorithm.name": "fedbn"},
    "fedprox": {"algorithm.name": "fedprox"},
    "fednova": {"algorithm.name": "fednova"},
    "fedadam": {"algorithm.name": "fedadam"},
    "moon": {"algorithm.name": "moon"},
    "pooled": {"algorithm.name": "fedavg", "data.partition": "pooled"},
    "local": {"algorithm.name": "local"},
}
# A site that never trained has no model of its own: `local` has nothing to measure there.
OF_NEW_SITES = tuple(name for name in METHODS if name != "local")
# New sites get running statistics of their own images where the method keeps those of the others local.
NEW_SITE_KEYS: dict[str, Keys] = {"fedbn": {"data.hold_out_statistics": "estimated"}}

REAL = "real"
"""The modality whose sites are the groups themselves, neither dealt nor scanned."""
GROUPS = {
    "dark": ("fluo256", "fluo360", "fluo520"),
    "stained": ("he_violet", "he_white"),
    REAL: ("bf1024", "fluo256", "fluo360", "fluo520", "he_violet", "he_white"),
}
"""Groups of BBBC038 by modality."""

FIRST_SEED_OF_RATES = 1000
"""Batches, initial weights and scanners that no other experiment sees."""

STEPS = 5
"""A client's local steps a round, as jobs/study.ini says; all images in one place get those of all
clients."""

STRENGTHS = (0.0, 1.0, 0.5, 0.25, 0.75)  # in this order, so that a plan cut short has both ends
NORMS = ("batch-stateless", "batch", "group", "none")
PADDINGS = ("zeros", "replicate")
PARTS: dict[str, Keys] = {
    "none": {},
    "dc": {"amplitude.band": "dc"},
    "low": {"amplitude.band": "low:0.1"},
    "full": {"amplitude.band": "full"},
    "alpha": {"perturbation.alpha": "0.05"},
    "dc+alpha": {"amplitude.band": "dc", "perturbation.alpha": "0.05"},
    "own": {},
}
OWN = "own"
"""The part whose network takes the mean of each image away from it: `dc` with nothing shared."""


@dataclass(frozen=True)
class Network:
    """A network of `networks.py`, for what no key of the program gives."""

    norm: str
    padding: str
    centred: bool = False

    @property
    def name(self) -> str:
        return f"unet-{self.norm}-{self.padding}" + ("-centred" if self.centred else "")


@dataclass(frozen=True)
class Variant:
    """What a run of an experiment is, seed and data apart."""

    method: str
    keys: Keys
    network: Network | None = None


@dataclass(frozen=True)
class Experiment:
    """Runs of every variant, at every strength, with every seed."""

    name: str
    asks: str
    variants: tuple[Variant, ...]
    strengths: tuple[float, ...] = STRENGTHS
    sites: int = 4
    hold_out: str | tuple[str, ...] = "last"
    """`last`: the site least like the others; `each`: every site in turn; `none`; or the names of those to
    hold out, in turn."""
    modality: str = "dark"
    """Of GROUPS."""
    seeds: int = 5
    first_seed: int = 0
    rates: str = "rates"
    """The experiment that chose the learning rates; empty: this is one that chooses."""
    keys: Keys = field(default_factory=dict)
    """For all runs, over those of the configuration file."""
    optional: bool = False
    """Left out unless it is asked for by name."""


def of_methods(*names: str) -> tuple[Variant, ...]:
    return tuple(Variant(name, METHODS[name]) for name in names)


RATES = ("0.3", "1", "3")


def of_rates(*names: str) -> tuple[Variant, ...]:
    """Every method with every learning rate: equal budgets."""
    return tuple(
        Variant(f"{name}-lr{rate}", {**METHODS[name], "train.lr": rate}) for rate in RATES for name in names
    )


def of_factors(norms: tuple[str, ...], parts: tuple[str, ...]) -> tuple[Variant, ...]:
    """Every part with every norm and padding."""
    return tuple(
        Variant(
            f"{norm}-{padding}-{part}",
            {"algorithm.name": "fedavg", **PARTS[part]},
            Network(norm, padding, centred=part == OWN),
        )
        for norm in norms
        for padding in PADDINGS
        for part in parts
    )


def at_real_sites(
    name: str,
    asks: str,
    variants: tuple[Variant, ...],
    hold_out: str | tuple[str, ...],
    seeds: int = 5,
    first_seed: int = 0,
    rates: str = "rates",
) -> Experiment:
    """An experiment whose sites are the groups themselves, where nothing has a strength."""
    return Experiment(
        name,
        asks,
        variants,
        strengths=(0.0,),
        sites=len(GROUPS[REAL]),
        hold_out=hold_out,
        modality=REAL,
        seeds=seeds,
        first_seed=first_seed,
        rates=rates,
        optional=True,
    )


OF_REAL_SITES = ("fedavg", "harmofl", *HALVES, "fedbn")
EXPERIMENTS: dict[str, Experiment] = {
    one.name: one
    for one in (
        Experiment(
            "rates",
            "which learning rate each method gets: best validation of the sites that train",
            of_rates(*METHODS),
            strengths=(0.5,),
            hold_out="last",
            seeds=3,
            first_seed=FIRST_SEED_OF_RATES,
            rates="",
        ),
        at_real_sites(
            "rates-real",
            "the same at real sites, for each federation without one of the groups of stained tissue",
            of_rates(*OF_REAL_SITES),
            hold_out=GROUPS["stained"],
            seeds=2,
            first_seed=FIRST_SEED_OF_RATES,
            rates="",
        ),
        Experiment(
            "new-sites",
            "what each method does at the site least like the others, which never trained, by strength",
            of_methods(*OF_NEW_SITES),
        ),
        Experiment(
            "graded-4",
            "what each method does at four sites that all train, by strength",
            of_methods(*METHODS),
            hold_out="none",
            optional=True,
        ),
        Experiment(
            "graded-8",
            "the same with eight sites",
            of_methods(*METHODS),
            sites=8,
            hold_out="none",
            optional=True,
        ),
        Experiment(
            "new-sites-each",
            "new sites, each of the four in turn, at full strength",
            of_methods("fedavg", "harmofl", *HALVES),
            strengths=(1.0,),
            hold_out="each",
            optional=True,
        ),
        Experiment(
            "new-sites-stain",
            "new sites of stained tissue, whose scanners change the stain as well",
            of_methods("fedavg", "harmofl", *HALVES),
            strengths=(0.0, 1.0, 0.5),
            modality="stained",
            optional=True,
        ),
        at_real_sites(
            "real-sites",
            "new sites without any simulation: each of the six groups of BBBC038 held out in turn",
            of_methods(*OF_REAL_SITES),
            hold_out="each",
        ),
        at_real_sites(
            "real-stained",
            "the two groups of stained tissue among them once more, with learning rates chosen there",
            of_methods(*OF_REAL_SITES),
            hold_out=GROUPS["stained"],
            rates="rates-real",
        ),
        Experiment(
            "factors",
            "norm, band, alpha, shared or own amplitude, and padding, at a new site and full strength",
            of_factors(NORMS, tuple(PARTS)),
            strengths=(1.0,),
            seeds=3,
            optional=True,
        ),
        at_real_sites(
            "factors-real",
            "by which path amplitudes act at real sites: norm, shared or own amplitude, padding",
            of_factors(("batch-stateless", "group"), ("none", "dc", OWN)),
            hold_out=GROUPS["stained"],
            seeds=3,
            rates="rates-real",
        ),
    )
}
