# SPDX-License-Identifier: Apache-2.0
"""Plants faults in the sources and sees which test notices each.

text      what of a source is code
faults    where a fault can be planted, and which are drawn
planting  sources that hold many faults, of which an environment variable switches one on
nearest   the tests, those that are nearest to a file first
ledger    what was found so far
"""
