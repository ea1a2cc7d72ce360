# SPDX-License-Identifier: Apache-2.0
"""tools/tune: spaces, points, rungs and budgets, which run nothing.

By hand, from the root of the checkout: .deps/venv/bin/python tests/tools/tune_plan_test.py
"""

import itertools
import math
import pathlib
import random
import tempfile
import unittest

import numpy
from scipy.stats import qmc

import tune_support  # noqa: F401  (sets the path)
from tune import halving, sampler
from tune.asking import Answer, Measure, kind_of, read_base
from tune.errors import TuneError
from tune.planning import Request, make_plan
from tune.space import Dimension, Space, parse_dimension, read_space

LR = Dimension("train.lr", "log-uniform", 1e-4, 1e-1)
MOMENTUM = Dimension("train.momentum", "uniform", 0.0, 0.9)
EPOCHS = Dimension("train.local_epochs", "integer", 1, 4)
OPTIMIZER = Dimension("train.optimizer", "choice", choices=("sgd", "adam"))
MU = Dimension("algorithm.mu", "log-uniform", 1e-3, 1.0)
DICE = Measure("dice", False, False)


def space_of(text):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "space.ini"
        path.write_text(text)
        return read_space(path)


class Spaces(unittest.TestCase):
    """Files of a space."""

    def test_reads_every_kind(self):
        space = space_of(
            "[all]\ntrain.lr = log-uniform 1e-4..1e-1  # wide\ntrain.momentum = uniform 0..0.9\n"
            "train.local_epochs = integer 1..4\n[fedprox]\nalgorithm.mu = log-uniform 1e-3..1\n"
            "train.class_weights = choice 1,2 | 2,1\n[ditto]\ntrain.lr = choice 0.1, 0.2\n"
        )
        self.assertEqual(space.shared, (LR, MOMENTUM, EPOCHS))
        self.assertEqual(space.of("fedavg"), [LR, MOMENTUM, EPOCHS])
        self.assertEqual(space.of("fedprox")[3], MU)
        self.assertEqual(space.of("fedprox")[4].choices, ("1,2", "2,1"))
        self.assertEqual(space.of("ditto")[0], Dimension("train.lr", "choice", choices=("0.1", "0.2")))
        self.assertEqual(space.of("ditto")[1:], [MOMENTUM, EPOCHS])
        self.assertEqual(space.width, 5)
        self.assertEqual(Space.of_json(space.to_json(), "plan.json"), space)

    def test_refuses_what_is_not_a_range(self):
        for text, problem in (
            ("log-uniform 0..1", "a logarithm needs numbers above 0"),
            ("uniform 1..1", "the first number is not below"),
            ("uniform 2..1", "the first number is not below"),
            ("uniform 0..x", "'x' is not a number"),
            ("uniform 0..inf", "'inf' is not a number"),
            ("integer 1..2.5", "not a range of integers"),
            ("uniform 3", "not a range or a choice"),
            ("normal 0..1", "not a range or a choice"),
            ("choice a,,b", "a choice is empty or comes twice"),
            ("choice a, a", "a choice is empty or comes twice"),
            ("choice", "a choice is empty or comes twice"),
        ):
            with (
                self.subTest(text),
                self.assertRaisesRegex(TuneError, f"x.ini: train.lr = {text}.*{problem}"),
            ):
                parse_dimension("train.lr", text, "x.ini")

    def test_refuses_keys_that_are_the_same_in_all_trials(self):
        for key in (
            "run.rounds",
            "run.seed",
            "comm.reduce",
            "device.threads",
            "algorithm.name",
            "data.shards",
        ):
            with self.subTest(key), self.assertRaisesRegex(TuneError, "the same in all trials"):
                parse_dimension(key, "choice 1, 2", "x.ini")

    def test_refuses_files_that_are_no_space(self):
        for text, problem in (
            ("train.lr = choice 1\n", "not an INI file"),
            ("[all]\ntrain.lr = choice 1\ntrain.lr = choice 2\n", "not an INI file"),
            ("", "gives no key"),
            ("[all]\n", "gives no key"),
        ):
            with self.subTest(text), self.assertRaisesRegex(TuneError, problem):
                space_of(text)
        with self.assertRaisesRegex(TuneError, "nowhere.ini: there is no such file"):
            read_space("nowhere.ini")

    def test_values_lie_where_the_scale_says(self):
        self.assertEqual([LR.value(u) for u in (0, 1 / 3, 2 / 3, 1)], ["0.0001", "0.001", "0.01", "0.1"])
        self.assertEqual([MOMENTUM.value(u) for u in (0, 0.5, 1)], ["0", "0.45", "0.9"])
        self.assertEqual([EPOCHS.value(u) for u in (0, 0.24, 0.26, 0.99, 1)], ["1", "1", "2", "4", "4"])
        self.assertEqual([OPTIMIZER.value(u) for u in (0, 0.49, 0.5, 1)], ["sgd", "sgd", "adam", "adam"])

    def test_best_values_at_an_edge_are_seen_on_the_scale_of_the_range(self):
        edges = {"0.00019": "lowest", "0.00021": None, "0.049": None, "0.051": "highest"}
        self.assertEqual({value: LR.edge(value) for value in edges}, edges)
        self.assertEqual(
            [MOMENTUM.edge(value) for value in ("0.08", "0.1", "0.82")], ["lowest", None, "highest"]
        )
        self.assertEqual(
            [EPOCHS.edge(str(value)) for value in (1, 2, 3, 4)], ["lowest", None, None, "highest"]
        )
        self.assertIsNone(Dimension("k", "integer", 1, 2).edge("1"))
        self.assertIsNone(OPTIMIZER.edge("sgd"))


class Points(unittest.TestCase):
    """Samplers."""

    def test_sobol_is_that_of_scipy(self):
        expected = qmc.Sobol(3, scramble=True, rng=numpy.random.default_rng(7)).random(16)
        numpy.testing.assert_array_equal(sampler.unit_points("sobol", 13, 3, 7), expected[:13])

    def test_sobol_is_a_net(self):
        """Of 2^m points each of 2^m equal intervals of each axis has one, and each of 4 x 2^(m-2) boxes."""
        points = sampler.unit_points("sobol", 32, 2, 5)
        for axis in (0, 1):
            self.assertEqual(sorted((points[:, axis] * 32).astype(int)), list(range(32)))
        boxes = {(int(x * 4), int(y * 8)) for x, y in points}
        self.assertEqual(len(boxes), 32)

    def test_more_points_only_add(self):
        for kind in ("sobol", "random"):
            few, many = (sampler.unit_points(kind, count, 3, 1) for count in (5, 100))
            numpy.testing.assert_array_equal(few, many[:5])
            self.assertFalse(numpy.array_equal(few, sampler.unit_points(kind, 5, 3, 2)))

    def test_methods_have_the_same_shared_values(self):
        space = Space((LR, OPTIMIZER), {"fedprox": (MU,)})
        for kind in ("sobol", "random"):
            plain, own = (
                list(itertools.islice(sampler.sampled(kind, space.of(method), space.width, 0), 40))
                for method in ("fedavg", "fedprox")
            )
            for a, b in zip(plain, own):
                self.assertEqual(a, {key: b[key] for key in a})
            self.assertEqual(len({tuple(one.values()) for one in own}), 40)

    def test_a_finite_space_ends_without_a_trial_twice(self):
        trials = list(sampler.sampled("sobol", [EPOCHS, OPTIMIZER], 2, 0))
        found = {(one["train.local_epochs"], one["train.optimizer"]) for one in trials}
        self.assertEqual(len(trials), 8)
        self.assertEqual(found, set(itertools.product("1234", ("sgd", "adam"))))
        self.assertEqual(list(sampler.sampled("sobol", [], 0, 0)), [{}])

    def test_a_grid_has_all_combinations_with_both_ends(self):
        found = sampler.grid([LR, EPOCHS, OPTIMIZER], 3)
        self.assertEqual(len(found), 3 * 3 * 2)
        self.assertEqual({one["train.lr"] for one in found}, {"0.0001", "0.00316228", "0.1"})
        self.assertEqual({one["train.local_epochs"] for one in found}, {"1", "2", "4"})
        self.assertEqual({one["train.local_epochs"] for one in sampler.grid([EPOCHS], 9)}, set("1234"))

    def test_corners_hold_all_ends_and_choices(self):
        three = Dimension("data.batch_size", "choice", choices=("2", "4", "8"))
        found = sampler.corners([LR, three])
        self.assertEqual({one["train.lr"] for one in found}, {"0.0001", "0.1"})
        self.assertEqual({one["data.batch_size"] for one in found}, {"2", "4", "8"})


def uniform_cost(a_round, rungs):
    return lambda _: tuple(a_round * rounds for rounds in rungs)


class Rungs(unittest.TestCase):
    """Successive halving, with known answers."""

    def test_rounds_of_rungs(self):
        for arguments, expected in (
            ((27, 3, 3, 1), [3, 9, 27]),
            ((27, 4, 3, 1), [1, 3, 9, 27]),
            ((30, 3, 3, 1), [4, 10, 30]),
            ((30, 3, 3, 5), [5, 10, 30]),
            ((30, 3, 3, 10), [10, 30]),
            ((30, 3, 3, 100), [30]),
            ((16, 3, 2, 1), [4, 8, 16]),
            ((1, 3, 3, 1), [1]),
            ((10, 1, 3, 1), [10]),
        ):
            self.assertEqual(halving.rung_rounds(*arguments), expected, arguments)

    def test_sizes_of_rungs(self):
        self.assertEqual(halving.rung_sizes(27, 3, 3), [27, 9, 3])
        self.assertEqual(halving.rung_sizes(10, 3, 3), [10, 3, 1])
        self.assertEqual(halving.rung_sizes(2, 3, 3), [2, 1, 1])

    def test_a_budget_by_hand(self):
        # Rungs 3, 9, 27 of 10 steps a round: 9 trials take 9 x 30 + 3 x 60 + 1 x 180 = 630.
        rungs = (3, 9, 27)
        cost = uniform_cost(10, rungs)
        self.assertEqual(halving.worst_total([cost(0)] * 9, [9, 3, 1]), 630)
        self.assertEqual(halving.sizes_within(cost, 630, 3, 3, "m"), [9, 3, 1])
        self.assertEqual(halving.sizes_within(cost, 629, 3, 3, "m"), [10, 2, 1])
        # 12 trials by thirds take 12 x 30 + 4 x 60 + 180 = 780, too much; 11 of them 690.
        self.assertEqual(halving.sizes_within(cost, 779, 3, 3, "m"), [13, 3, 1])
        # 8 trials by thirds take 540, which leaves two first rungs. A step that costs twice: half of 630
        # pays for 30 + 60 + 180 = 270 and one more first rung of 30.
        self.assertEqual(halving.sizes_within(uniform_cost(20, rungs), 630, 3, 3, "m"), [2, 1, 1])

    def test_what_is_left_pays_for_more_trials_on_the_first_rung(self):
        # 26 trials: 26 x 1 + 8 x 2 + 2 x 6 = 54; the 27th would bring one more on every rung: 63.
        cost = uniform_cost(1, (1, 3, 9))
        self.assertEqual(halving.sizes_within(cost, 62, 3, 3, "m"), [26 + 62 - 54, 8, 2])
        self.assertEqual(halving.sizes_within(cost, 63, 3, 3, "m"), [27, 9, 3])
        self.assertEqual(halving.worst_total([cost(0)] * 34, [34, 8, 2]), 62)

    def test_no_halving_is_one_rung(self):
        self.assertEqual(halving.sizes_within(uniform_cost(10, (5,)), 260, 1, 1, "m"), [5])

    def test_a_budget_for_less_than_one_trial_is_refused(self):
        with self.assertRaisesRegex(TuneError, "moon: the budget of 269 does not pay for one trial.*270"):
            halving.sizes_within(uniform_cost(10, (3, 9, 27)), 269, 3, 3, "moon")

    def test_ranking_breaks_ties_by_number_and_leaves_out_what_failed(self):
        values = [0.5, None, 0.7, math.nan, 0.7, 0.1]
        standings = [halving.Standing(i, value) for i, value in enumerate(values)]
        random.Random(0).shuffle(standings)
        self.assertEqual(halving.ranking(standings, False), [2, 4, 0, 5])
        self.assertEqual(halving.ranking(standings, True), [5, 0, 2, 4])

    def test_what_failed_trials_left_pays_for_further_ones(self):
        costs = [(10, 30)] * 9
        # Nine first rungs of 10 and three second ones of 20.
        self.assertEqual(halving.going_on([3, 1, 2, 0, 4], costs, [9, 3], 1, 90, 150), [3, 1, 2])
        self.assertEqual(halving.going_on([3, 1, 2, 0, 4], costs, [9, 3], 1, 71, 150), [3, 1, 2])
        self.assertEqual(halving.going_on([3, 1, 2, 0, 4], costs, [9, 3], 1, 70, 150), [3, 1, 2, 0])

    def test_the_best_trial_is_found_where_the_order_shows_early(self):
        """Values a + b / rounds with the same b: each rung has the order of the last."""
        draw = random.Random(3)
        for _ in range(50):
            truth = [draw.random() for _ in range(27)]
            alive = list(range(27))
            for rung, rounds in enumerate((3, 9, 27)):
                standings = [halving.Standing(i, truth[i] - 1 / rounds) for i in alive]
                ranked = halving.ranking(standings, False)
                alive = (
                    ranked
                    if rung == 2
                    else halving.going_on(ranked, [(3, 9, 27)] * 27, [27, 9, 3], rung + 1, 10**9, 0)
                )
            self.assertEqual(len(alive), 3)
            self.assertEqual(alive, sorted(range(27), key=lambda i: -truth[i])[:3])


class Budgets(unittest.TestCase):
    """Whatever the space, a budget is kept."""

    def test_equal_costs_leave_less_than_a_first_rung(self):
        draw = random.Random(11)
        for _ in range(300):
            eta, rounds = draw.choice((1, 2, 3, 4)), draw.randint(1, 60)
            rungs = halving.rung_rounds(
                rounds, 1 if eta == 1 else draw.randint(1, 4), max(eta, 2), draw.randint(1, 4)
            )
            a_round = draw.randint(1, 40)
            cost = uniform_cost(a_round, rungs)
            budget = a_round * rounds + draw.randint(0, 100 * a_round * rounds)
            sizes = halving.sizes_within(cost, budget, len(rungs), eta, "m")
            total = sum(
                size * a_round * (after - before) for size, before, after in zip(sizes, [0, *rungs], rungs)
            )
            self.assertLessEqual(total, budget)
            self.assertLess(budget - total, a_round * rungs[0], (eta, rungs, sizes))

    def test_unequal_costs_never_go_over_whoever_goes_on(self):
        draw = random.Random(12)
        for _ in range(300):
            rungs = sorted(draw.sample(range(1, 40), draw.randint(1, 4)))
            eta, a_round = draw.choice((2, 3)), [draw.randint(1, 9) for _ in range(200)]
            costs = [tuple(steps * rounds for rounds in rungs) for steps in a_round]
            budget = costs[0][-1] + draw.randint(0, 20 * costs[0][-1])
            sizes = halving.sizes_within(
                lambda i, costs=costs: costs[i] if i < len(costs) else None, budget, len(rungs), eta, "m"
            )
            alive, spent = list(range(sizes[0])), 0
            for rung in range(len(rungs)):
                if rung:
                    draw.shuffle(alive)
                    alive = halving.going_on(alive, costs, sizes, rung, spent, budget)
                    self.assertGreaterEqual(len(alive), min(sizes[rung], 1))
                for trial in alive:
                    failed = draw.random() < 0.1
                    spent += 0 if failed else halving.increment(costs[trial], rung)
            self.assertLessEqual(spent, budget)


def answers(config):
    """A federation of 10 steps a round and epoch."""
    factor = 2 if config["algorithm.name"] in ("harmofl", "ditto") else 1
    steps = 10 * factor * int(config.get("train.local_epochs", "1"))
    return Answer((steps,) * int(config["run.rounds"]), DICE)


def request(**changes):
    given = {
        "methods": ("fedavg", "harmofl", "ditto"),
        "space": Space((LR,), {"ditto": (MU,)}),
        "budget": 2000.0,
        "config": {"run.rounds": "9"},
        "eta": 3,
    }
    return Request(**(given | changes))


class Plans(unittest.TestCase):
    """Requests as plans."""

    def test_a_step_that_costs_twice_gets_half_the_trials(self):
        plan = make_plan(request(), answers)
        self.assertEqual(plan.rungs, (1, 3, 9))
        for name, factor in (("fedavg", 1), ("harmofl", 2), ("ditto", 2)):
            method = plan.methods[name]
            self.assertTrue(2000 - 10 * factor < method.planned <= 2000, method.planned)
            self.assertEqual(
                {trial.client_steps for trial in method.trials}, {(10 * factor, 30 * factor, 90 * factor)}
            )
        # 88 x 10 + 29 x 20 + 9 x 60 = 2000. Of twice as much each: 44 x 20 + 14 x 40 + 4 x 120 = 1920 (45
        # would take 2100), and four more first rungs.
        self.assertEqual(plan.methods["fedavg"].sizes, (88, 29, 9))
        self.assertEqual(plan.methods["harmofl"].sizes, (48, 14, 4))

    def test_the_same_request_is_the_same_plan_and_methods_share_their_points(self):
        plan = make_plan(request(), answers)
        self.assertEqual(plan, make_plan(request(), answers))
        rates = {
            name: [trial.values["train.lr"] for trial in method.trials]
            for name, method in plan.methods.items()
        }
        count = len(rates["harmofl"])
        self.assertEqual(rates["fedavg"][:count], rates["harmofl"])
        self.assertEqual(rates["ditto"], rates["harmofl"][: len(rates["ditto"])])
        alone = make_plan(request(methods=("ditto",)), answers)
        self.assertEqual(alone.methods["ditto"], plan.methods["ditto"])
        self.assertNotEqual(make_plan(request(seed=1), answers).methods, plan.methods)

    def test_trials_that_differ_in_steps_stay_within_the_budget(self):
        plan = make_plan(request(space=Space((LR, EPOCHS)), methods=("fedavg",)), answers)
        method = plan.methods["fedavg"]
        self.assertLessEqual(method.planned, 2000)
        for trial in method.trials:
            self.assertEqual(trial.client_steps[0], 10 * int(trial.values["train.local_epochs"]))

    def test_a_finite_space_is_used_up(self):
        plan = make_plan(request(space=Space((OPTIMIZER,)), methods=("fedavg",)), answers)
        self.assertEqual(len(plan.methods["fedavg"].trials), 2)

    def test_a_grid_is_as_fine_as_the_budget_allows(self):
        plan = make_plan(request(sampler="grid", space=Space((LR, MOMENTUM))), answers)
        # 9 x 9 = 81 trials take 810 + 27 x 20 + 9 x 60 = 1890; 10 x 10 would take 2320.
        self.assertEqual(plan.methods["fedavg"].sizes, (81, 27, 9))
        self.assertEqual(plan.methods["harmofl"].sizes[0], 36)
        self.assertEqual(
            len(make_plan(request(sampler="grid", levels=4), answers).methods["fedavg"].trials), 4
        )
        with self.assertRaisesRegex(TuneError, "a grid of 10000 trials takes"):
            make_plan(request(sampler="grid", levels=100, space=Space((LR, MOMENTUM))), answers)

    def test_joules_are_paid_by_their_price(self):
        plan = make_plan(request(methods=("fedavg",), unit="joules"), answers, {"fedavg": 0.5})
        self.assertTrue(2000 - 5 < plan.methods["fedavg"].planned <= 2000)

    def test_refuses_what_cannot_be_tuned(self):
        for changes, problem in (
            ({"methods": ("fedavg", "fedavg")}, "give each method once"),
            ({"config": {"run.rounds": "9", "personalize.epochs": "1"}}, "personalize.epochs"),
            ({"budget": 100.0}, "does not pay for one trial"),
        ):
            with self.subTest(problem), self.assertRaisesRegex(TuneError, problem):
                make_plan(request(**changes), answers)

    def test_the_program_is_asked_once_for_trials_of_one_kind(self):
        asked = []
        make_plan(request(), lambda config: asked.append(config) or answers(config))
        self.assertEqual(len(asked), 6)  # both ends of the ranges of each method

    def test_what_decides_the_steps_of_a_trial(self):
        alike = {"train.lr": "0.1", "algorithm.mu": "1", "perturbation.alpha": "0.05"}
        self.assertEqual(kind_of(alike), kind_of({"train.lr": "1", "perturbation.alpha": "0.2"}))
        self.assertNotEqual(kind_of(alike), kind_of({"perturbation.alpha": "0.0"}))
        self.assertNotEqual(kind_of({"train.local_epochs": "1"}), kind_of({"train.local_epochs": "2"}))

    def test_keys_after_the_configuration(self):
        base = read_base(
            None, ["--run.rounds", "3", "--train.lr=0.5", "--data.truncate", "--data.shards", "x"]
        )
        self.assertEqual(base.pop("data.shards"), str(pathlib.Path("x").absolute()))
        self.assertEqual(base, {"run.rounds": "3", "train.lr": "0.5", "data.truncate": "true"})
        with self.assertRaisesRegex(TuneError, "'rounds' is not a key"):
            read_base(None, ["rounds"])


if __name__ == "__main__":
    unittest.main()
