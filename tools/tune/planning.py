# SPDX-License-Identifier: Apache-2.0
"""A request as the plan of all its trials."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tune import halving, sampler
from tune.asking import Answer, Config, Measure, kind_of
from tune.errors import TuneError
from tune.space import Space

STEPS, JOULES = "client steps", "joules"


@dataclass(frozen=True)
class Request:
    """What is to be tuned, and how. The same request is the same plan."""

    methods: tuple[str, ...]
    space: Space
    budget: float
    """What each method may spend, in `unit`s."""
    config: Config
    """What all trials have in common; `run.rounds` there is that of the last rung."""
    unit: str = STEPS
    sampler: str = "sobol"
    seed: int = 0
    """Of the points; that of the runs is `run.seed` of `config`, the same for all."""
    eta: int = 1
    """Of the trials of a rung a part of 1 / eta goes on; with 1 nothing is halved: there is one rung."""
    rungs: int = 3
    levels: int = 0
    """Of a grid: values of each range; 0 takes as many as the budget pays for."""
    ranks: int = 1
    threads: int = 1

    def to_json(self) -> dict[str, Any]:
        found = asdict(self) | {"space": self.space.to_json(), "methods": list(self.methods)}
        return found | {"config": dict(sorted(self.config.items()))}

    @property
    def rounds(self) -> int:
        """Rounds of a trial that goes on to the end."""
        return int(self.config.get("run.rounds", "10"))


@dataclass(frozen=True)
class Trial:
    """A configuration of a method."""

    method: str
    number: int
    """From 0, in the order of the sampler."""
    values: Mapping[str, str]
    client_steps: tuple[int, ...]
    """Up to the end of each rung."""

    @property
    def name(self) -> str:
        return f"{self.method}-{self.number:03}"


@dataclass(frozen=True)
class MethodPlan:
    """The trials of a method."""

    sizes: tuple[int, ...]
    """Trials on each rung."""
    trials: tuple[Trial, ...]
    price: float = 1.0
    """Units of the budget that a client step takes: 1, or the joules that it was measured to take."""

    @property
    def costs(self) -> list[tuple[float, ...]]:
        """Of each trial up to the end of each rung, in units of the budget."""
        return [tuple(self.price * steps for steps in trial.client_steps) for trial in self.trials]

    @property
    def planned(self) -> float:
        """What it spends at most, whichever trials go on."""
        return halving.worst_total(self.costs, self.sizes)


@dataclass(frozen=True)
class Plan:
    """All that is tried."""

    request: dict[str, Any]
    """Request.to_json."""
    rungs: tuple[int, ...]
    """Rounds after which each rung ends."""
    measure: Measure
    methods: dict[str, MethodPlan] = field(default_factory=dict)

    @property
    def budget(self) -> float:
        return self.request["budget"]

    @property
    def unit(self) -> str:
        return self.request["unit"]


Ask = Callable[[Config], Answer]
"""Says what a configuration asks for (asking.ask with a program)."""


def trial_config(request: Mapping[str, Any], method: str, values: Mapping[str, str]) -> Config:
    """The configuration of a trial of a request (Request.to_json), without its name and folder."""
    config = {key: value for key, value in request["config"].items() if key not in values}
    own = {"algorithm.name": method, "device.threads": str(request["threads"])}
    return config | own | dict(values)


def check(request: Request) -> None:
    """Refuses what cannot be tuned."""
    if len(set(request.methods)) < len(request.methods) or not request.methods:
        raise TuneError(f"--methods: {', '.join(request.methods) or 'none'}: give each method once.")
    if request.config.get("personalize.epochs", "0") != "0":
        raise TuneError(
            "personalize.epochs: fine-tuning comes after the last round, where nothing counts its steps. "
            "Leave it out here, and give it to the final runs."
        )
    if request.eta < 1 or request.rungs < 1 or request.budget <= 0:
        raise TuneError("--budget, --halving and --rungs are numbers above 0.")


class Costs:
    """Client steps of trials, asked once for each kind of trial."""

    def __init__(self, request: Request, ask: Ask) -> None:
        self.request, self.ask = request, ask
        self.known: dict[tuple, Answer] = {}

    def ask_of(self, method: str, values: Mapping[str, str]) -> Answer:
        return self.ask(trial_config(self.request.to_json(), method, values))

    def answer(self, method: str, values: Mapping[str, str]) -> Answer:
        kind = (method, kind_of(values))
        if kind not in self.known:
            self.known[kind] = self.ask_of(method, values)
        return self.known[kind]


def make_trials(
    costs: Costs, method: str, rungs: tuple[int, ...], source: Iterator[dict[str, str]]
) -> Iterator[Trial]:
    for number, values in enumerate(source):
        answer = costs.answer(method, values)
        yield Trial(method, number, values, tuple(answer.up_to(rounds) for rounds in rungs))


def sampled_plan(costs: Costs, method: str, rungs: tuple[int, ...], price: float) -> MethodPlan:
    """As many trials as the budget pays for."""
    request = costs.request
    dimensions = request.space.of(method)
    points = sampler.sampled(request.sampler, dimensions, request.space.width, request.seed)
    source = make_trials(costs, method, rungs, points)
    trials: list[Trial] = []

    def cost_of(number: int) -> tuple[float, ...] | None:
        while len(trials) <= number:
            trial = next(source, None)
            if trial is None:
                return None
            trials.append(trial)
        return tuple(price * steps for steps in trials[number].client_steps)

    sizes = halving.sizes_within(cost_of, request.budget, len(rungs), request.eta, method)
    return MethodPlan(tuple(sizes), tuple(trials[: sizes[0]]), price)


def grid_plan(costs: Costs, method: str, rungs: tuple[int, ...], price: float) -> MethodPlan:
    """The finest grid that the budget pays for, or that of `levels`."""
    request = costs.request
    dimensions = request.space.of(method)
    found: MethodPlan | None = None
    levels = request.levels or 2
    while True:
        points = sampler.grid(dimensions, levels)
        if found is not None and len(points) == len(found.trials):
            return found  # nothing but choices: finer is the same
        trials = tuple(make_trials(costs, method, rungs, iter(points)))
        sizes = tuple(halving.rung_sizes(len(trials), len(rungs), request.eta))
        finer = MethodPlan(sizes, trials, price)
        if finer.planned > request.budget:
            if found is None:
                raise TuneError(
                    f"{method}: a grid of {len(trials)} trials takes {finer.planned:g} {request.unit}, more "
                    f"than the budget of {request.budget:g}. Raise it, or take --sampler sobol."
                )
            return found
        found, levels = finer, levels + 1
        if request.levels:
            return found


def ask_corners(request: Request, ask: Ask) -> tuple[Costs, Measure]:
    """Lets the program look at the ends of all ranges and at all choices, so that what it refuses is
    refused before anything is trained."""
    check(request)
    costs = Costs(request, ask)
    for method in request.methods:
        for values in sampler.corners(request.space.of(method)):
            answer = costs.ask_of(method, values)
            costs.known.setdefault((method, kind_of(values)), answer)
    return costs, answer.measure


def rungs_of(request: Request) -> tuple[int, ...]:
    every = int(request.config.get("run.evaluate_every", "1"))
    count = request.rungs if request.eta > 1 else 1
    return tuple(halving.rung_rounds(request.rounds, count, request.eta, every))


def make_plan(request: Request, ask: Ask, prices: Mapping[str, float] | None = None) -> Plan:
    """The plan of a request. `prices`: units of the budget that a client step of each method takes, where
    these are not client steps."""
    costs, measure = ask_corners(request, ask)
    rungs = rungs_of(request)
    make = grid_plan if request.sampler == "grid" else sampled_plan
    methods = {
        method: make(costs, method, rungs, prices[method] if prices else 1.0) for method in request.methods
    }
    return Plan(request.to_json(), rungs, measure, methods)


def pilot_plan(request: Request, ask: Ask) -> Plan:
    """The first rung of the first trial of each method, which any plan of the request has too: by it
    is measured what a client step takes."""
    costs, measure = ask_corners(request, ask)
    rungs = rungs_of(request)[:1]
    methods = {}
    for method in request.methods:
        dimensions = request.space.of(method)
        if request.sampler == "grid":
            points = iter(sampler.grid(dimensions, 2))
        else:
            points = sampler.sampled(request.sampler, dimensions, request.space.width, request.seed)
        methods[method] = MethodPlan((1,), (next(make_trials(costs, method, rungs, points)),))
    return Plan(request.to_json(), rungs, measure, methods)
