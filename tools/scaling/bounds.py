# SPDX-License-Identifier: Apache-2.0
"""The best that whole clients on ranks allow: no rank count makes a client's training shorter."""

import heapq


def deal(costs, ranks):
    """The rank of each client, longest first: in order of falling cost, each to the rank with the
    least so far, of those the one with the fewest clients, then the lowest. As harmofl does it."""
    heap = [(0.0, 0, rank) for rank in range(ranks)]
    owner = [0] * len(costs)
    for client in sorted(range(len(costs)), key=lambda i: -costs[i]):  # stable for equal costs
        load, clients, rank = heapq.heappop(heap)
        owner[client] = rank
        heapq.heappush(heap, (load + costs[client], clients + 1, rank))
    return owner


def loads(costs, owner, ranks):
    """The sum of the costs of each rank's clients."""
    sums = [0.0] * ranks
    for cost, rank in zip(costs, owner):
        sums[rank] += cost
    return sums


def equal_clients_bound(clients, ranks):
    """The largest speed-up of K equal clients on P ranks: K / ceil(K / P)."""
    return clients / -(-clients // ranks)


def longest_first_bound(costs, ranks, cores=None):
    """The speed-up of the training itself when clients of these costs are dealt longest first, with
    ranks that share `cores` equally where there are fewer of them (None: as many as ranks)."""
    if sum(costs) == 0:
        return 1.0
    shares = loads(costs, deal(costs, ranks), ranks)
    return sum(costs) / shared_makespan(shares, cores or ranks)


def shared_makespan(work, cores):
    """When the last of these processes ends, each with `work` seconds to compute on a core of its
    own, while all that still compute share `cores` equally and none uses more than one."""
    now, done = 0.0, 0.0  # done: what every process that is still at work has computed so far
    left = sorted(work)
    for i, amount in enumerate(left):
        speed = min(1.0, cores / (len(left) - i))
        now += (amount - done) / speed
        done = amount
    return now
