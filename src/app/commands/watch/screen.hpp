// SPDX-License-Identifier: Apache-2.0
/// A run on a terminal, as text.
#pragma once

#include "app/commands/watch/run_view.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace harmofl {

/// What there is to draw on.
struct Screen {
  std::int64_t width = 80;  ///< Columns; none of the lines is wider.
  std::int64_t height = 0;  ///< Lines at most; 0 is as many as it takes.
  bool colour = false;      ///< Colours of ECMA-48; else nothing but text.
  bool unicode = true;      ///< Bars and curves of block elements; else of ASCII.
};

/// Lines with their ends: what the run is and how far, who is how good at which site, where the
/// time goes, who waits, what was lost. Where lines are short, sites are left out and counted.
std::string run_screen(const RunView& view, const Screen& screen);

/// A line for each of several runs, below a line with titles.
std::string runs_screen(const std::vector<RunView>& views, const Screen& screen);

}  // namespace harmofl
