# SPDX-License-Identifier: Apache-2.0
"""Behind gpu-check.sh: parts that run one after the other, each in a time limit, and their report.

Needs Python 3.10 and nothing else, so that it runs where PyTorch runs.
"""
