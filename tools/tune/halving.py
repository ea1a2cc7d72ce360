# SPDX-License-Identifier: Apache-2.0
"""Successive halving (Jamieson and Talwalkar, AISTATS 2016) within a budget. Pure functions.

All methods have the same rungs: numbers of rounds. On the first rung all trials of a method run; of each
rung the best go on to the next, from their own checkpoint, so that rounds are paid for once. What a trial
costs up to each rung is known beforehand; a method whose step costs twice gets half the trials.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tune.errors import TuneError

Cost = Sequence[float]  # of a trial up to the end of each rung, all rounds before included


def rung_rounds(rounds: int, count: int, eta: int, every: int) -> list[int]:
    """Rounds after which the rungs end: `rounds`, that over eta, over eta^2, ..., as multiples of `every`
    (rounded up), so that the end of a rung is evaluated in a run of all rounds as well."""
    rungs = [rounds]
    for k in range(1, count):
        shorter = math.ceil(rounds / eta**k / every) * every
        if shorter < rungs[0]:
            rungs.insert(0, shorter)
    return rungs


def rung_sizes(first: int, rungs: int, eta: int) -> list[int]:
    """Trials on each rung: a part of 1 / eta goes on, one at least."""
    sizes = [first]
    while len(sizes) < rungs:
        sizes.append(max(1, sizes[-1] // eta))
    return sizes


def increment(cost: Cost, rung: int) -> float:
    """What a trial costs on one rung."""
    return cost[rung] - (cost[rung - 1] if rung > 0 else 0)


def worst_total(costs: Sequence[Cost], sizes: Sequence[int]) -> float:
    """What the first sizes[0] trials cost at most, whichever of them go on: those that cost most."""
    first = costs[: sizes[0]]
    total = sum(increment(cost, 0) for cost in first)
    for rung, size in enumerate(sizes[1:], start=1):
        total += sum(sorted((increment(cost, rung) for cost in first), reverse=True)[:size])
    return total


def largest(fits: Callable[[int], bool]) -> int:
    """The largest n for which `fits`, which holds up to some number and never after it; 0 for none."""
    high = 1
    while fits(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def sizes_within(
    cost_of: Callable[[int], Cost | None], budget: float, rungs: int, eta: int, who: str
) -> list[int]:
    """Trials on each rung that the budget pays for, whoever goes on. `cost_of(i)` is the cost of trial i,
    None where the space has no trial i. What is left of the budget pays for further trials on the first
    rung: where all trials cost the same, less than one of those is left in the end."""
    costs: list[Cost] = []

    def known(count: int) -> bool:
        while len(costs) < count:
            cost = cost_of(len(costs))
            if cost is None:
                return False
            costs.append(cost)
        return True

    def fits(count: int, sizes: list[int]) -> bool:
        return known(count) and worst_total(costs, [count, *sizes[1:]]) <= budget

    first = largest(lambda count: fits(count, rung_sizes(count, rungs, eta)))
    if first == 0:
        needed = math.ceil(cost_of(0)[-1])
        raise TuneError(
            f"{who}: the budget of {budget:g} does not pay for one trial, which takes {needed}. Raise the "
            "budget, or lower run.rounds."
        )
    sizes = rung_sizes(first, rungs, eta)
    sizes[0] = largest(lambda count: fits(count, sizes))
    return sizes


@dataclass(frozen=True)
class Standing:
    """A trial at the end of a rung; `value` is None where it did not get there."""

    trial: int
    value: float | None


def ranking(standings: Sequence[Standing], lower_is_better: bool) -> list[int]:
    """The trials, best first: by value, then by number. Those without a value are left out."""
    sign = 1 if lower_is_better else -1
    alive = [one for one in standings if one.value is not None and math.isfinite(one.value)]
    return [one.trial for one in sorted(alive, key=lambda one: (sign * one.value, one.trial))]


def going_on(
    ranked: Sequence[int], costs: Sequence[Cost], sizes: Sequence[int], rung: int, spent: float, budget: float
) -> list[int]:
    """Who goes on to `rung` (> 0): the first sizes[rung] of `ranked`, and the next ones too as long as
    what earlier rungs have left of the budget (`spent` is what they have cost) pays for them and
    for all that is planned of the rungs after."""
    chosen = list(ranked[: sizes[rung]])
    for trial in ranked[sizes[rung] :]:
        wanted = [*chosen, trial]
        total = spent + sum(increment(costs[one], rung) for one in wanted)
        for later in range(rung + 1, len(sizes)):
            most = sorted((increment(costs[one], later) for one in wanted), reverse=True)
            total += sum(most[: sizes[later]])
        if total > budget:
            break
        chosen = wanted
    return chosen
