# SPDX-License-Identifier: Apache-2.0
"""What tools/report.py is made of: groups of runs, paired statistics, plots, the page."""
